#include "collector/cli/alert_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "collector/cli/incidents.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"
#include "common/clock.h"

namespace picket {
namespace {

constexpr uint32_t kStoryShown = 100;  // the newest so many

struct FilterOptions {
  std::string since, workspace, rule, incident;
  uint32_t limit = 0;
};

std::optional<uint64_t> parse_duration_ns(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const uint64_t seconds = unit == "s"   ? 1
                           : unit == "m" ? 60
                           : unit == "h" ? 3600
                           : unit == "d" ? 86400
                                         : 0;
  constexpr uint64_t kLongest = 100ULL * 365 * 86400;
  if (error != std::errc() || seconds == 0 || number > kLongest / seconds) return std::nullopt;
  return number * seconds * 1'000'000'000U;
}

std::string check_duration(const std::string& text) {
  return parse_duration_ns(text) ? "" : "expected a number and s, m, h or d, as in 10m";
}

void add_filter(CLI::App& command, FilterOptions& options) {
  command.add_option("--since", options.since, "Only of the last so long: 30s, 10m, 2h, 1d")
      ->check(CLI::Validator(check_duration, "DURATION"));
  command.add_option("--workspace", options.workspace, "Only of this one: id, id prefix or name");
  command.add_option("--rule", options.rule, "Only of this rule");
  command.add_option("--incident", options.incident, "Only of this one: id, or its beginning");
}

v1::AlertFilter filter_of(const FilterOptions& options) {
  v1::AlertFilter filter;
  if (const auto duration = parse_duration_ns(options.since)) {
    const uint64_t now = SystemClock().wall_ns();
    set_wall_ns(*filter.mutable_since(), now > *duration ? now - *duration : 0);
  }
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

void add_incidents(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* list = alerts.add_subcommand("incidents", "Stored alerts, those of one attack as one")
                       ->fallthrough();
  add_filter(*list, *options);
  list->callback([options, &session] {
    session.run([&](Client& client) {
      v1::ListAlertsRequest request;
      *request.mutable_filter() = filter_of(*options);
      Incidents incidents;
      const absl::Status status = client.list_alerts(request, [&](const v1::Alert& alert) {
        incidents.add(alert);
        return true;
      });
      for (const IncidentSummary& incident : incidents.all()) {
        std::cout << (session.json ? json_line(incident_object(incident)) : incident_text(incident))
                  << '\n';
      }
      return status;
    });
  });
}

// What came before and after, in one lineage.
absl::Status print_story(Client& client, const v1::Alert& shown) {
  if (!shown.has_incident()) return absl::OkStatus();
  v1::ListAlertsRequest request;
  request.mutable_filter()->set_incident(shown.incident().id());
  request.set_limit(kStoryShown);
  std::vector<v1::Alert> story;
  const absl::Status status = client.list_alerts(request, [&](const v1::Alert& alert) {
    story.push_back(alert);
    return true;
  });
  std::cout << story_text(story, shown.id());
  return status;
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
  CLI::App* alerts =
      app.add_subcommand("alerts", "List, watch and show alerts and incidents")->fallthrough();
  alerts->require_subcommand(1);
  add_list(*alerts, session);
  add_watch(*alerts, session);
  add_incidents(*alerts, session);
  add_show(*alerts, session);
}

}  // namespace picket
