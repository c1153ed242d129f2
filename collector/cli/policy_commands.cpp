#include "collector/cli/policy_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/detect/bundle/bundle.h"
#include "agent/detect/rule/rule_set.h"
#include "collector/cli/policy_render.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"
#include "common/rule_bundle.h"

namespace picket {
namespace {

constexpr uint32_t kEveryNode = 100;

struct Publish {
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

CLI::Option* add_reason(CLI::App& command, std::string& reason) {
  return command.add_option("--reason", reason, "Why; it goes into the audit log")
      ->required()
      ->check(CLI::Validator(check_reason, "TEXT"));
}

absl::Status publish(Client& client, const std::string& bundle, const std::string& reason,
                     bool json, RowSink& rows) {
  const auto response = client.publish_policy(bundle, reason);
  if (!response.ok()) return response.status();
  rows.add(
      json ? Row(published_object(*response))
           : Row(fmt::format("bundle {} (serial {}) is kept, no node has it yet (audit entry "
                             "{}); to hand it out: picketctl policy rollout {}\n",
                             short_id(response->bundle().bundle_id()), response->bundle().serial(),
                             printable(response->audit_id()), response->bundle().serial())));
  return absl::OkStatus();
}

void add_publish(CLI::App& policy, Session& session) {
  const auto options = std::make_shared<Publish>();
  CLI::App* command = policy.add_subcommand(
      "publish",
      "Give a signed folder of rules to the collector; exit code 3: no agent would take it");
  command->add_option("FOLDER", options->folder, "Folder of rules with its rules.sig")->required();
  add_reason(*command, options->reason);
  command->fallthrough()->callback([options, &session] {
    const auto bundle = pack(options->folder);
    if (!bundle.ok()) return session.fail(kExitInvalid, std::string(bundle.status().message()));
    session.act([&](Client& client, RowSink& rows) {
      return publish(client, *bundle, options->reason, session.json, rows);
    });
  });
}

// KEY=VALUE, both there.
std::string check_label(const std::string& label) {
  const size_t equals = label.find('=');
  const bool whole = equals != std::string::npos && equals > 0 && equals + 1 < label.size();
  return whole ? "" : fmt::format("\"{}\" is no label; KEY=VALUE expected", label);
}

std::string changed_text(const v1::ChangePolicyRequest& request,
                         const v1::ChangePolicyResponse& response) {
  if (!request.has_rollout())
    return fmt::format(
        "the rollout goes to no further node; those that have it keep it (audit entry {})\n",
        printable(response.audit_id()));
  return fmt::format(
      "bundle {} (serial {}) is offered to {} connected nodes, to others when they come (audit "
      "entry {}); what becomes of it: picketctl policy status\n",
      short_id(response.bundle().bundle_id()), response.bundle().serial(), response.nodes(),
      printable(response.audit_id()));
}

void change(Session& session, const v1::ChangePolicyRequest& request) {
  session.act([&](Client& client, RowSink& rows) {
    const auto response = client.change_policy(request);
    if (response.ok())
      rows.add(session.json ? Row(changed_object(*response))
                            : Row(changed_text(request, *response)));
    return response.status();
  });
}

void add_rollout(CLI::App& policy, Session& session) {
  const auto request = std::make_shared<v1::ChangePolicyRequest>();
  v1::StartRollout& rollout = *request->mutable_rollout();
  rollout.set_percent(kEveryNode);
  CLI::App* command = policy.add_subcommand(
      "rollout",
      "Hand a version to the nodes, or to some of them first; a node that refuses it halts that");
  command
      ->add_option_function<std::string>(
          "VERSION", [&rollout](const std::string& asked) { rollout.set_version(asked); },
          "Serial, or the beginning of a bundle's id: picketctl policy list")
      ->required();
  command
      ->add_option_function<uint32_t>(
          "--percent", [&rollout](uint32_t percent) { rollout.set_percent(percent); },
          "So many nodes in a hundred; a larger number later keeps those; 100, if left out")
      ->check(CLI::Range(1U, kEveryNode));
  command
      ->add_option_function<std::vector<std::string>>(
          "--label",
          [&rollout](const std::vector<std::string>& labels) {
            for (const std::string& label : labels) {
              const size_t equals = label.find('=');
              (*rollout.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
            }
          },
          "KEY=VALUE: only nodes whose configuration says so; several: all of them")
      ->check(CLI::Validator(check_label, "KEY=VALUE"))
      ->take_all()
      ->allow_extra_args(false);
  command->add_flag_callback(
      "--shadow", [&rollout] { rollout.set_shadow(true); },
      "Rules that a node does not have yet, or has otherwise, only report there");
  const auto reason = std::make_shared<std::string>();
  add_reason(*command, *reason);
  command->fallthrough()->callback([request, reason, &session] {
    request->set_reason(*reason);
    change(session, *request);
  });
}

void add_halt(CLI::App& policy, Session& session) {
  const auto reason = std::make_shared<std::string>();
  CLI::App* command = policy.add_subcommand("halt", "Hand the rollout to no further node");
  add_reason(*command, *reason);
  command->fallthrough()->callback([reason, &session] {
    v1::ChangePolicyRequest request;
    request.mutable_halt();
    request.set_reason(*reason);
    change(session, request);
  });
}

// What of a collector's answer is shown.
using AddRows = std::function<void(const v1::GetPolicyResponse&, bool json, RowSink&)>;

void show(Session& session, const std::string& version, const AddRows& add_rows) {
  session.read([&](Client& client, RowSink& rows) {
    const auto response = client.policy(version);
    if (response.ok()) add_rows(*response, session.json, rows);
    return response.status();
  });
}

void add_versions(const v1::GetPolicyResponse& policy, bool json, RowSink& rows) {
  for (const v1::RuleBundleInfo& version : policy.versions())
    rows.add(json ? Row(version_object(version, policy)) : Row(version_text(version, policy)));
}

void add_version(const v1::GetPolicyResponse& policy, bool json, RowSink& rows) {
  if (!json) {
    std::string text = version_text(policy.version(), policy);
    std::istringstream lines(policy.signature());
    for (std::string line; std::getline(lines, line);)
      text += fmt::format("  {}\n", printable(line));
    rows.add(Row(std::move(text)));
    return;
  }
  auto object = version_object(policy.version(), policy);
  object["signature"] = policy.signature();
  rows.add(Row(std::move(object)));
}

void add_status(const v1::GetPolicyResponse& policy, bool json, RowSink& rows) {
  if (!json) rows.add(Row(rollout_text(policy)));
  for (const v1::PolicyNode& node : policy.nodes())
    rows.add(json ? Row(policy_node_object(node, policy)) : Row(policy_node_text(node, policy)));
}

void add_views(CLI::App& policy, Session& session) {
  policy.add_subcommand("list", "The versions that the collector has, and who shall have them")
      ->fallthrough()
      ->callback([&session] { show(session, "", add_versions); });
  policy
      .add_subcommand("status",
                      "The rollout, and what became of the rules and waivers on each node")
      ->fallthrough()
      ->callback([&session] { show(session, "", add_status); });
  const auto version = std::make_shared<std::string>();
  CLI::App* one =
      policy.add_subcommand("show", "A version: its files with their hashes, and its signature");
  one->add_option("VERSION", *version, "Serial, or the beginning of a bundle's id")->required();
  one->fallthrough()->callback([version, &session] { show(session, *version, add_version); });
}

}  // namespace

void add_policy_commands(CLI::App& app, Session& session) {
  CLI::App* policy = app.add_subcommand("policy", "Signed rules for the nodes: versions, rollouts");
  policy->fallthrough()->require_subcommand(1);
  add_publish(*policy, session);
  add_rollout(*policy, session);
  add_halt(*policy, session);
  add_views(*policy, session);
}

}  // namespace picket
