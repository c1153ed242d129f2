#include "collector/cli/alert_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "collector/cli/duration.h"
#include "collector/cli/incidents.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

struct FilterOptions {
  std::string since, workspace, rule, incident;
  uint32_t limit = 0;
};

void add_filter(CLI::App& command, FilterOptions& options) {
  add_since(command, options.since, "Only of the last so long: 30s, 10m, 2h, 1d");
  command.add_option("--workspace", options.workspace, "Only of this one: id, id prefix or name");
  command.add_option("--rule", options.rule, "Only of this rule");
  command.add_option("--incident", options.incident, "Only of this one: id, or its beginning");
}

v1::AlertFilter filter_of(const FilterOptions& options) {
  v1::AlertFilter filter;
  if (!options.since.empty()) (void)set_since(options.since, *filter.mutable_since());
  filter.set_workspace(options.workspace);
  filter.set_rule(options.rule);
  filter.set_incident(options.incident);
  return filter;
}

// Each alert is on its way before the next is waited for. false: nobody reads any more. `cursor`:
// 0, or where a later watch goes on.
bool print(const v1::Alert& alert, bool json, uint64_t cursor = 0) {
  if (json) {
    nlohmann::ordered_json object = alert_object(alert);
    if (cursor != 0) object["cursor"] = cursor;
    std::cout << json_line(object) << '\n';
  } else {
    std::cout << alert_text(alert) << '\n';
  }
  std::cout.flush();
  return std::cout.good();
}

void add_list(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* list = alerts.add_subcommand("list", "Stored alerts, oldest first")->fallthrough();
  add_filter(*list, *options);
  list->add_option("--limit", options->limit, "Only the newest so many");
  list->callback([options, &session] {
    session.run([&](Client& client) {
      v1::ListAlertsRequest request;
      *request.mutable_filter() = filter_of(*options);
      request.set_limit(options->limit);
      return client.list_alerts(request,
                                [&](const v1::Alert& alert) { return print(alert, session.json); });
    });
  });
}

void add_watch(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* watch =
      alerts.add_subcommand("watch", "Alerts as they come, until Ctrl-C")->fallthrough();
  add_filter(*watch, *options);
  const auto after = std::make_shared<std::optional<uint64_t>>();
  watch->add_option("--after", *after, "Go on behind the alert with this cursor; 0: from the first")
      ->excludes("--since");
  watch->footer(
      "With --since, the stored ones of that time come first. With --after, all that was stored "
      "behind that alert, in the order of storage; with -o json each alert has its cursor.");
  watch->callback([options, after, &session] {
    session.run([&](Client& client) {
      v1::WatchAlertsRequest request;
      *request.mutable_filter() = filter_of(*options);
      if (*after) request.set_after(**after);
      return client.watch_alerts(
          request, [] { std::cerr << "picketctl: watching, Ctrl-C ends\n"; },
          [&](const v1::WatchAlertsResponse& watched) {
            return print(watched.alert(), session.json, watched.cursor());
          });
    });
  });
}

// What came before and after, in one lineage.
absl::Status print_story(Client& client, const v1::Alert& shown) {
  if (!shown.has_incident()) return absl::OkStatus();
  v1::GetIncidentRequest request;
  request.set_incident(shown.incident().id());
  request.set_node(shown.node());
  const auto incident = client.incident(request);
  if (!incident.ok()) return incident.status();
  std::cout << story_text(*incident, shown.id());
  return absl::OkStatus();
}

void add_show(CLI::App& alerts, Session& session) {
  const auto id = std::make_shared<std::string>();
  CLI::App* show =
      alerts.add_subcommand("show", "One alert, and the story that it belongs to")->fallthrough();
  show->add_option("ID", *id, "Id of the alert, or the beginning of it")->required();
  show->callback([id, &session] {
    session.run([&](Client& client) {
      const auto alert = client.alert(*id);
      if (!alert.ok()) return alert.status();
      print(*alert, session.json);
      return session.json ? absl::OkStatus() : print_story(client, *alert);
    });
  });
}

}  // namespace

void add_alert_commands(CLI::App& app, Session& session) {
  CLI::App* alerts = app.add_subcommand("alerts", "List, watch and show alerts")->fallthrough();
  alerts->require_subcommand(1);
  add_list(*alerts, session);
  add_watch(*alerts, session);
  add_show(*alerts, session);
}

}  // namespace picket
