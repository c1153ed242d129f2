#include "collector/cli/rules_fleet_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/detect/bundle/bundle.h"
#include "agent/detect/rule/rule_set.h"
#include "collector/cli/objects.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"
#include "common/rule_bundle.h"

namespace picket {
namespace {

struct Push {
  std::filesystem::path folder;
  std::string reason;
};

// As the agents will read it: the files below the folder, and its rules.sig.
absl::StatusOr<std::string> pack(const std::filesystem::path& folder) {
  const auto signature = read_signature_file(folder);
  if (!signature.ok()) return signature.status();
  LoadReport report;
  const std::vector<RuleFile> files = read_rule_files({&folder, 1}, report);
  if (report.errors.empty()) (void)compile_rule_files(files, report);
  if (!report.errors.empty()) return absl::InvalidArgumentError(report.error_text());
  const auto serial = read_signature(folder, files, *signature);
  if (!serial.ok()) return serial.status();
  v1::RuleBundle bundle;
  bundle.set_signature(*signature);
  for (const RuleFile& file : files) {
    v1::RuleBundle::File& packed = *bundle.add_files();
    packed.set_name(std::filesystem::path(file.name).lexically_relative(folder).string());
    packed.set_text(file.text);
  }
  std::string bytes = bundle.SerializeAsString();
  if (bytes.size() > kMaxRuleBundleBytes)
    return absl::InvalidArgumentError(
        fmt::format("{}: larger than {} MiB", folder.string(), kMaxRuleBundleBytes >> 20));
  return bytes;
}

absl::Status push(Client& client, const std::string& bundle, const std::string& reason, bool json) {
  const auto response = client.push_rules(bundle, reason);
  if (!response.ok()) return response.status();
  if (json) {
    std::cout << json_line(rules_push_object(*response)) << '\n';
    return absl::OkStatus();
  }
  std::cout << fmt::format(
      "bundle {} (serial {}) is offered to {} connected nodes, to others when they come (audit "
      "entry {}); what becomes of it: picketctl rules status\n",
      short_id(response->bundle().bundle_id()), response->bundle().serial(), response->nodes(),
      printable(response->audit_id()));
  return absl::OkStatus();
}

void add_push(CLI::App& rules, Session& session) {
  const auto options = std::make_shared<Push>();
  CLI::App* command = rules.add_subcommand(
      "push", "Give a signed folder of rules to every node; exit code 3: no agent would take it");
  command->add_option("FOLDER", options->folder, "Folder of rules with its rules.sig")->required();
  command->add_option("--reason", options->reason, "Why; it goes into the audit log")
      ->required()
      ->check(CLI::Validator(check_reason, "TEXT"));
  command->fallthrough()->callback([options, &session] {
    const auto bundle = pack(options->folder);
    if (!bundle.ok()) return session.fail(kExitInvalid, std::string(bundle.status().message()));
    session.run(
        [&](Client& client) { return push(client, *bundle, options->reason, session.json); });
  });
}

void add_status(CLI::App& rules, Session& session) {
  CLI::App* command = rules.add_subcommand(
      "status", "The bundle that the nodes shall have, and what became of it on each");
  command->fallthrough()->callback([&session] {
    session.run([&](Client& client) {
      const auto response = client.rules();
      if (!response.ok()) return response.status();
      if (!session.json) std::cout << rule_bundle_text(*response);
      for (const v1::Node& node : response->nodes()) {
        std::cout << (session.json ? json_line(node_rules_object(node, *response)) + '\n'
                                   : node_rules_text(node, *response));
      }
      return absl::OkStatus();
    });
  });
}

}  // namespace

void add_rules_fleet_commands(CLI::App& app, Session& session) {
  CLI::App* rules = app.get_subcommand("rules");
  add_push(*rules, session);
  add_status(*rules, session);
}

}  // namespace picket
