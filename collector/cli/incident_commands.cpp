#include "collector/cli/incident_commands.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "collector/cli/duration.h"
#include "collector/cli/incidents.h"
#include "collector/cli/policy_new_waiver.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"
#include "common/incident_words.h"

namespace picket {
namespace {

constexpr uint32_t kListed = 100;
constexpr uint32_t kPage = 500;

struct ListOptions {
  std::string since, assignee, name_space, workspace;
  std::vector<std::string> states;
  bool all = false;
  uint32_t limit = kListed;
};

// Of the terminal; 0: it is none.
size_t terminal_width() {
  struct winsize size {};
  return ::isatty(STDOUT_FILENO) != 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0
             ? size.ws_col
             : 0;
}

v1::ListIncidentsRequest request_of(const ListOptions& options) {
  v1::ListIncidentsRequest request;
  for (const auto state :
       {v1::INCIDENT_STATE_OPEN, v1::INCIDENT_STATE_ACKNOWLEDGED, v1::INCIDENT_STATE_RESOLVED}) {
    const std::string word(incident_state_word(state));
    const bool asked = std::ranges::find(options.states, word) != options.states.end();
    const bool usual = options.states.empty() && state != v1::INCIDENT_STATE_RESOLVED;
    if (asked || usual) request.add_states(state);
  }
  if (options.all) request.clear_states();
  request.set_assignee(options.assignee);
  request.set_namespace_(options.name_space);
  request.set_workspace(options.workspace);
  if (!options.since.empty()) (void)set_since(options.since, *request.mutable_since());
  return request;
}

absl::Status list(Client& client, const ListOptions& options, bool json) {
  v1::ListIncidentsRequest request = request_of(options);
  std::vector<v1::IncidentSummary> incidents;
  do {
    request.set_limit(
        std::min<uint32_t>(options.limit - static_cast<uint32_t>(incidents.size()), kPage));
    const auto page = client.incidents(request);
    if (!page.ok()) return page.status();
    incidents.insert(incidents.end(), page->incidents().begin(), page->incidents().end());
    request.set_page(page->next());
  } while (request.page() != 0 && incidents.size() < options.limit);
  if (json) {
    for (const v1::IncidentSummary& incident : incidents)
      std::cout << json_line(incident_object(incident)) << '\n';
  } else if (!incidents.empty()) {
    std::cout << incident_table(incidents, terminal_width());
  }
  if (request.page() != 0) std::cerr << "picketctl: there are older ones; --limit shows more\n";
  return absl::OkStatus();
}

void add_list(CLI::App& incidents, Session& session) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* command =
      incidents.add_subcommand("list", "Incidents that are not resolved, the newest first");
  command->add_option("--state", options->states, "Only those, also several times")
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"open", "acknowledged", "resolved"}));
  command->add_flag("--all", options->all, "Also those that are resolved")->excludes("--state");
  command->add_option("--assignee", options->assignee, "Only those of this one");
  command->add_option("--namespace", options->name_space, "Only of this one");
  command->add_option("--workspace", options->workspace, "Only of this one: id, id prefix or name");
  add_since(*command, options->since, "Only with an alert in the last so long: 30s, 10m, 2h, 1d");
  command->add_option("--limit", options->limit, "At most so many")
      ->capture_default_str()
      ->check(CLI::Range(1U, 100'000U));
  command->fallthrough()->callback([options, &session] {
    session.run([&](Client& client) { return list(client, *options, session.json); });
  });
}

struct Named {
  std::string id, node;
};

void add_name(CLI::App& command, Named& named) {
  command.add_option("INCIDENT", named.id, "Id, or the beginning of it")->required();
  command.add_option("--node", named.node, "Of this node, where two have the id");
}

absl::StatusOr<v1::GetIncidentResponse> find(Client& client, const Named& named, uint32_t limit) {
  v1::GetIncidentRequest request;
  request.set_incident(named.id);
  request.set_node(named.node);
  request.set_limit(limit);
  return client.incident(request);
}

void add_get(CLI::App& incidents, Session& session) {
  const auto named = std::make_shared<Named>();
  CLI::App* command = incidents.add_subcommand("get", "One, with its story and its history");
  add_name(*command, *named);
  command->fallthrough()->callback([named, &session] {
    session.run([&](Client& client) {
      const auto found = find(client, *named, 0);
      if (!found.ok()) return found.status();
      if (!session.json) {
        std::cout << incident_text(*found);
        return absl::OkStatus();
      }
      nlohmann::ordered_json object = incident_object(found->incident());
      object["story"] = nlohmann::ordered_json::array();
      for (const v1::Alert& alert : found->alerts()) object["story"].push_back(alert_object(alert));
      std::cout << json_line(object) << '\n';
      return absl::OkStatus();
    });
  });
}

struct Change {
  Named named;
  std::optional<uint64_t> revision;
  v1::ChangeIncidentRequest request;
  std::string reason, assignee;
};

// On the state that `--revision` names, or else on the newest.
absl::Status change(Client& client, Change& asked, bool json) {
  v1::ChangeIncidentRequest& request = asked.request;
  request.set_incident(asked.named.id);
  request.set_node(asked.named.node);
  request.set_reason(asked.reason);
  if (asked.revision) {
    request.set_revision(*asked.revision);
  } else {
    const auto seen = find(client, asked.named, 1);
    if (!seen.ok()) return seen.status();
    request.set_revision(seen->incident().handling().revision());
  }
  const auto changed = client.change_incident(request);
  if (!changed.ok()) return changed.status();
  if (json) {
    nlohmann::ordered_json object = incident_object(changed->incident());
    object["audit_id"] = changed->audit_id();
    std::cout << json_line(object) << '\n';
  } else {
    const v1::IncidentHandling& handling = changed->incident().handling();
    std::cout << fmt::format("incident {} is {}{} (revision {}, audit entry {})\n",
                             printable(changed->incident().id()),
                             incident_state_word(handling.state()),
                             handling.assignee().empty()
                                 ? ""
                                 : fmt::format(", assigned to {}", printable(handling.assignee())),
                             handling.revision(), printable(changed->audit_id()));
  }
  return absl::OkStatus();
}

CLI::App* add_change(CLI::App& incidents, const char* name, const char* help,
                     v1::IncidentAction action, Change& change, bool needs_reason) {
  CLI::App* command = incidents.add_subcommand(name, help);
  add_name(*command, change.named);
  change.request.set_action(action);
  CLI::Option* reason =
      command->add_option("--reason", change.reason, "Why; it goes into the audit log");
  if (needs_reason) reason->required()->check(CLI::Validator(check_reason, "TEXT"));
  command->add_option("--revision", change.revision,
                      "Only if it is still the one that was looked at");
  command->fallthrough();
  return command;
}

void add_plain(CLI::App& incidents, Session& session, const char* name, const char* help,
               v1::IncidentAction action, bool needs_reason) {
  const auto asked = std::make_shared<Change>();
  add_change(incidents, name, help, action, *asked, needs_reason)->callback([asked, &session] {
    session.run([&](Client& client) { return change(client, *asked, session.json); });
  });
}

void add_assign(CLI::App& incidents, Session& session) {
  const auto asked = std::make_shared<Change>();
  CLI::App* command = add_change(incidents, "assign", "Say who works on it",
                                 v1::INCIDENT_ACTION_ASSIGN, *asked, false);
  command->add_option("WHO", asked->assignee, "Any name; - for nobody")->required();
  command->callback([asked, &session] {
    if (asked->assignee != "-") asked->request.set_assignee(asked->assignee);
    session.run([&](Client& client) { return change(client, *asked, session.json); });
  });
}

struct Resolution : Change {
  bool true_positive = false, false_alarm = false, benign = false;
  WaiverDraft waiver;
};

// The waiver comes first: who may not have it has not closed anything.
absl::Status add_waiver(Client& client, const WaiverDraft& draft, bool json) {
  const auto made = make_waiver(draft);
  if (!made.ok()) return made.status();
  auto signed_waiver = sign_waiver(*made, draft.key);
  if (!signed_waiver.ok()) return signed_waiver.status();
  v1::ChangePolicyRequest request;
  request.set_reason(made->reason());
  *request.mutable_add_waiver() = *std::move(signed_waiver);
  return change_waivers(client, request, json);
}

absl::Status resolve(Client& client, Resolution& asked, bool json) {
  if (!asked.false_alarm) return change(client, asked, json);
  const auto seen = find(client, asked.named, 1);
  if (!seen.ok()) return seen.status();
  const v1::IncidentSummary& incident = seen->incident();
  const uint64_t revision = incident.handling().revision();
  // What cannot be resolved needs no waiver either: the collector says why.
  const bool refused = asked.revision.value_or(revision) != revision ||
                       incident.handling().state() == v1::INCIDENT_STATE_RESOLVED;
  if (!asked.revision) asked.revision = revision;
  if (refused) return change(client, asked, json);
  WaiverDraft draft = asked.waiver;
  if (draft.name.empty()) draft.name = "incident-" + incident.id();
  draft.reason = asked.reason;
  const absl::Status filled = fill_waiver(incident, draft);
  if (!draft.key.empty()) {
    absl::Status added = filled.ok() ? add_waiver(client, draft, json) : filled;
    if (!added.ok()) return added;
  }
  if (absl::Status status = change(client, asked, json); !status.ok()) return status;
  if (draft.key.empty() && !json)
    std::cout << (filled.ok() ? "the waiver that fits: " + waiver_command(draft)
                              : "no waiver: " + std::string(filled.message()))
              << '\n';
  return absl::OkStatus();
}

void add_resolve(CLI::App& incidents, Session& session) {
  const auto asked = std::make_shared<Resolution>();
  CLI::App* command = add_change(incidents, "resolve", "Close it with a verdict",
                                 v1::INCIDENT_ACTION_RESOLVE, *asked, true);
  CLI::Option* true_positive =
      command->add_flag("--true-positive", asked->true_positive, "It was an attack");
  CLI::Option* false_alarm = command->add_flag(
      "--false-alarm", asked->false_alarm, "The rule is wrong there: with the waiver that fits");
  command->add_flag("--benign", asked->benign, "The rule is right, and it was allowed")
      ->excludes(true_positive)
      ->excludes(false_alarm);
  true_positive->excludes(false_alarm);
  WaiverDraft& waiver = asked->waiver;
  CLI::Option* name = command->add_option("--waiver", waiver.name, "Its name; else incident-ID");
  CLI::Option* owner = command->add_option("--owner", waiver.owner, "Who answers for the waiver");
  CLI::Option* expires = command->add_option("--expires", waiver.expires,
                                             "Its end: 2026-12-31, or 2026-12-31T18:00:00Z");
  CLI::Option* key = command->add_option(
      "--key", waiver.key, "Private key of the rules: the waiver is made, else only printed");
  for (CLI::Option* option : {name, owner, expires, key}) option->needs(false_alarm);
  key->needs(owner)->needs(expires);
  command->callback([asked, &session] {
    if (!asked->true_positive && !asked->false_alarm && !asked->benign)
      return session.fail(kExitUsage, "as what? --true-positive, --false-alarm or --benign");
    asked->request.set_verdict(asked->true_positive ? v1::INCIDENT_VERDICT_TRUE_POSITIVE
                               : asked->false_alarm ? v1::INCIDENT_VERDICT_FALSE_ALARM
                                                    : v1::INCIDENT_VERDICT_BENIGN);
    session.run([&](Client& client) { return resolve(client, *asked, session.json); });
  });
}

}  // namespace

void add_incident_commands(CLI::App& app, Session& session) {
  CLI::App* incidents =
      app.add_subcommand("incidents", "Alerts of one attack as one, and what is done about them");
  incidents->fallthrough()->require_subcommand(1);
  add_list(*incidents, session);
  add_get(*incidents, session);
  add_plain(*incidents, session, "ack", "Say that somebody looks at it",
            v1::INCIDENT_ACTION_ACKNOWLEDGE, false);
  add_assign(*incidents, session);
  add_resolve(*incidents, session);
  add_plain(*incidents, session, "reopen", "It is not over after all", v1::INCIDENT_ACTION_REOPEN,
            true);
}

}  // namespace picket
