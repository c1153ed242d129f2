#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/detect/bundle/bundle.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/waiver_reader.h"
#include "collector/cli/policy_commands.h"
#include "collector/cli/policy_render.h"
#include "common/alert_json.h"
#include "common/clock.h"
#include "common/printable.h"
#include "common/signed_waiver.h"

namespace picket {
namespace {

struct Addition {
  std::string name, owner, reason, expires, condition;
  std::vector<std::string> rules, scope;
  std::filesystem::path key;
};

absl::Status add_scope(const std::vector<std::string>& selectors, v1::Waiver& waiver) {
  for (const std::string& selector : selectors) {
    const size_t equals = selector.find('=');
    if (equals == std::string::npos || equals == 0)
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" selects nothing; KEY=VALUE expected", selector));
    const std::string key = selector.substr(0, equals);
    auto* place = [&]() -> v1::Waiver::Selector* {
      for (v1::Waiver::Selector& known : *waiver.mutable_scope())
        if (known.key() == key) return &known;
      return nullptr;
    }();
    if (place == nullptr) {
      place = waiver.add_scope();
      place->set_key(key);
    }
    place->add_values(selector.substr(equals + 1));
  }
  return absl::OkStatus();
}

// Complete, and as every agent will read it.
absl::StatusOr<v1::Waiver> make_waiver(const Addition& addition) {
  v1::Waiver waiver;
  waiver.set_name(addition.name);
  waiver.set_owner(addition.owner);
  waiver.set_reason(addition.reason);
  waiver.set_condition(addition.condition);
  const auto end_ns = rule::parse_end_ns(addition.expires);
  if (!end_ns)
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is no time; 2026-12-31 or 2026-12-31T18:00:00Z expected", addition.expires));
  set_wall_ns(*waiver.mutable_expires(), *end_ns);
  waiver.mutable_rules()->Add(addition.rules.begin(), addition.rules.end());
  if (absl::Status status = add_scope(addition.scope, waiver); !status.ok()) return status;
  if (absl::Status status = check_waiver(waiver); !status.ok()) return status;
  LoadReport report;
  const RuleFile file{"waiver " + waiver.name(), waiver_rule_text(waiver)};
  (void)compile_rule_files({&file, 1}, report);
  if (!report.errors.empty()) return absl::InvalidArgumentError(report.error_text());
  return waiver;
}

absl::StatusOr<v1::SignedWaiver> sign(const v1::Waiver& waiver, const std::filesystem::path& file) {
  const auto key = BundleKey::read_private(file);
  if (!key.ok()) return key.status();
  v1::SignedWaiver result;
  result.set_waiver(waiver.SerializeAsString());
  auto signature = key->sign(waiver_signing_text(result.waiver()));
  if (!signature.ok()) return signature.status();
  result.set_signature(*std::move(signature));
  return result;
}

void change(Session& session, const v1::ChangePolicyRequest& request) {
  session.act([&](Client& client, RowSink& rows) {
    const auto response = client.change_policy(request);
    if (!response.ok()) return response.status();
    rows.add(session.json
                 ? Row(changed_object(*response))
                 : Row(fmt::format("the waivers are on their way to {} connected nodes, to others "
                                   "when they come (audit entry {}); what becomes of them: "
                                   "picketctl policy status\n",
                                   response->nodes(), printable(response->audit_id()))));
    return absl::OkStatus();
  });
}

// The waiver's reason is the order's as well: it stands in the audit log and with each node.
void add_add(CLI::App& waivers, Session& session) {
  const auto addition = std::make_shared<Addition>();
  CLI::App* command = waivers.add_subcommand(
      "add", "Withhold alerts of some rules until a day; exit code 3: no agent would take it");
  command->add_option("NAME", addition->name, "In place of one of the same name")->required();
  command
      ->add_option("--rule", addition->rules,
                   "Whose alerts: name or shell pattern; may be given several times")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--owner", addition->owner, "Who answers for it")->required();
  command->add_option("--reason", addition->reason, "Why; it goes into the audit log, too")
      ->required()
      ->check(CLI::Validator(check_reason, "TEXT"));
  command
      ->add_option("--expires", addition->expires,
                   "2026-12-31: until that day is over, UTC; or 2026-12-31T18:00:00Z")
      ->required();
  command
      ->add_option("--scope", addition->scope,
                   "KEY=VALUE as in a rule's scope, label:KEY=VALUE of a label; several values "
                   "of a key: any, several keys: all")
      ->allow_extra_args(false);
  command->add_option("--condition", addition->condition,
                      "Only where this holds too, as in a rule");
  command
      ->add_option("--key", addition->key,
                   "Private Ed25519 key, PEM, of the rules: agents take what it signed")
      ->required();
  command->fallthrough()->callback([addition, &session] {
    const auto made = make_waiver(*addition);
    if (!made.ok()) return session.fail(kExitInvalid, std::string(made.status().message()));
    auto signed_waiver = sign(*made, addition->key);
    if (!signed_waiver.ok())
      return session.fail(kExitUsage, std::string(signed_waiver.status().message()));
    v1::ChangePolicyRequest request;
    request.set_reason(made->reason());
    *request.mutable_add_waiver() = *std::move(signed_waiver);
    change(session, request);
  });
}

void add_remove(CLI::App& waivers, Session& session) {
  const auto name = std::make_shared<std::string>(), reason = std::make_shared<std::string>();
  CLI::App* command = waivers.add_subcommand("remove", "End a waiver: its alerts come again");
  command->add_option("NAME", *name, "Which: picketctl waivers list")->required();
  command->add_option("--reason", *reason, "Why; it goes into the audit log")
      ->required()
      ->check(CLI::Validator(check_reason, "TEXT"));
  command->fallthrough()->callback([name, reason, &session] {
    v1::ChangePolicyRequest request;
    request.set_reason(*reason);
    request.set_remove_waiver(*name);
    change(session, request);
  });
}

void add_list(CLI::App& waivers, Session& session) {
  CLI::App* command = waivers.add_subcommand("list", "Who answers for which alerts until when");
  command->fallthrough()->callback([&session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto response = client.policy();
      if (!response.ok()) return response.status();
      const uint64_t now_ns = SystemClock().wall_ns();
      for (const v1::KeptWaiver& kept : response->policy().waivers())
        rows.add(session.json ? Row(waiver_object(kept, now_ns)) : Row(waiver_text(kept, now_ns)));
      return absl::OkStatus();
    });
  });
}

}  // namespace

void add_waiver_commands(CLI::App& app, Session& session) {
  CLI::App* waivers = app.add_subcommand(
      "waivers", "Alerts that somebody answers for not being told: signed, for every node");
  waivers->fallthrough()->require_subcommand(1);
  add_add(*waivers, session);
  add_remove(*waivers, session);
  add_list(*waivers, session);
}

}  // namespace picket
