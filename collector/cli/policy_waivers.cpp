#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/cli/policy_commands.h"
#include "collector/cli/policy_new_waiver.h"
#include "collector/cli/policy_render.h"
#include "common/alert_json.h"
#include "common/clock.h"

namespace picket {
namespace {

// The waiver's reason is the order's as well: it stands in the audit log and with each node.
void add_add(CLI::App& waivers, Session& session) {
  const auto addition = std::make_shared<WaiverDraft>();
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
    auto signed_waiver = sign_waiver(*made, addition->key);
    if (!signed_waiver.ok())
      return session.fail(kExitUsage, std::string(signed_waiver.status().message()));
    v1::ChangePolicyRequest request;
    request.set_reason(made->reason());
    *request.mutable_add_waiver() = *std::move(signed_waiver);
    session.run([&](Client& client) { return change_waivers(client, request, session.json); });
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
    session.run([&](Client& client) { return change_waivers(client, request, session.json); });
  });
}

void add_list(CLI::App& waivers, Session& session) {
  CLI::App* command = waivers.add_subcommand("list", "Who answers for which alerts until when");
  command->fallthrough()->callback([&session] {
    session.run([&](Client& client) {
      const auto response = client.policy();
      if (!response.ok()) return response.status();
      const uint64_t now_ns = SystemClock().wall_ns();
      for (const v1::KeptWaiver& kept : response->policy().waivers())
        std::cout << (session.json ? json_line(waiver_object(kept, now_ns)) + '\n'
                                   : waiver_text(kept, now_ns));
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
