#include "collector/cli/alert_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
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

// `cursor`: 0, or where a later watch goes on.
Row row_of(const v1::Alert& alert, bool json, uint64_t cursor = 0) {
  const uint64_t time_ns = wall_ns(alert.time());
  if (!json) return Row(alert_text(alert) + '\n', time_ns);
  nlohmann::ordered_json object = alert_object(alert);
  if (cursor != 0) object["cursor"] = cursor;
  return Row(std::move(object), time_ns);
}

void add_list(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* list = alerts.add_subcommand("list", "Stored alerts, oldest first")->fallthrough();
  add_filter(*list, *options);
  list->add_option("--limit", options->limit, "Only the newest so many");
  list->callback([options, &session] {
    v1::ListAlertsRequest request;
    *request.mutable_filter() = filter_of(*options);
    request.set_limit(options->limit);
    const auto query = [&](Client& client, RowSink& rows) {
      return client.list_alerts(
          request, [&](const v1::Alert& alert) { return rows.add(row_of(alert, session.json)); });
    };
    session.read(query, {.newest = options->limit});
  });
}

// By region; empty: of the only one that is asked.
using Cursors = std::map<std::string, uint64_t>;

std::optional<Cursors> parse_cursors(const std::string& text) {
  Cursors cursors;
  const std::vector<std::string> all = absl::StrSplit(text, ',');
  for (const std::string& each : all) {
    const size_t equals = each.find('=');
    const bool named = equals != each.npos;
    uint64_t cursor = 0;
    if (!absl::SimpleAtoi(named ? each.substr(equals + 1) : each, &cursor) ||
        !cursors.emplace(named ? each.substr(0, equals) : "", cursor).second)
      return std::nullopt;
  }
  return cursors;
}

std::string check_cursors(const std::string& text) {
  return parse_cursors(text) ? "" : "expected a cursor, or those of regions, as in eu=120,us=47";
}

// Where each region's watch begins, and no other's; empty: what is wrong.
Cursors cursors_of(const std::vector<CliContext>& contexts, Cursors given) {
  if (contexts.size() == 1 && given.contains("")) {
    auto only = given.extract("");
    only.key() = contexts.front().region;
    given.insert(std::move(only));
  }
  const bool fits = given.size() == contexts.size() &&
                    std::ranges::all_of(contexts, [&](const CliContext& context) {
                      return given.contains(context.region);
                    });
  return fits ? given : Cursors{};
}

void watch(Session& session, const FilterOptions& options, const std::string& after) {
  Cursors cursors;
  if (const auto contexts = session.contexts(); !after.empty() && contexts.ok()) {
    cursors = cursors_of(*contexts, *parse_cursors(after));
    if (cursors.empty())
      return session.fail(kExitUsage, fmt::format("--after: expected a cursor of each region: {}",
                                                  region_names(*contexts)));
  }
  v1::WatchAlertsRequest everywhere;
  *everywhere.mutable_filter() = filter_of(options);
  const auto query = [&](Client& client, RowSink& rows) {
    v1::WatchAlertsRequest request = everywhere;
    const auto cursor = cursors.find(client.region());
    if (cursor != cursors.end()) request.set_after(cursor->second);
    return client.watch_alerts(
        request, [&] { rows.note("watching, Ctrl-C ends"); },
        [&](const v1::WatchAlertsResponse& watched) {
          return rows.add(row_of(watched.alert(), session.json, watched.cursor()));
        });
  };
  session.read(query, {.by_time = false});
}

void add_watch(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* command =
      alerts.add_subcommand("watch", "Alerts as they come, until Ctrl-C")->fallthrough();
  add_filter(*command, *options);
  const auto after = std::make_shared<std::string>();
  command
      ->add_option("--after", *after,
                   "Go on behind the alert with this cursor; 0: from the first; of several regions "
                   "each: eu=120,us=47")
      ->check(CLI::Validator(check_cursors, "CURSOR"))
      ->excludes("--since");
  command->footer(
      "With --since, the stored ones of that time come first. With --after, all that was stored "
      "behind that alert, in the order of storage; with -o json each alert has its cursor.");
  command->callback([options, after, &session] { watch(session, *options, *after); });
}

void add_incidents(CLI::App& alerts, Session& session) {
  const auto options = std::make_shared<FilterOptions>();
  CLI::App* list = alerts.add_subcommand("incidents", "Stored alerts, those of one attack as one")
                       ->fallthrough();
  add_filter(*list, *options);
  list->callback([options, &session] {
    v1::ListAlertsRequest request;
    *request.mutable_filter() = filter_of(*options);
    session.read([&](Client& client, RowSink& rows) {
      Incidents incidents;
      const absl::Status status = client.list_alerts(request, [&](const v1::Alert& alert) {
        incidents.add(alert);
        return true;
      });
      for (const IncidentSummary& incident : incidents.all()) {
        const uint64_t first_ns = wall_ns(incident.first);
        rows.add(session.json ? Row(incident_object(incident), first_ns)
                              : Row(incident_text(incident) + '\n', first_ns));
      }
      return status;
    });
  });
}

// What came before and after, in one lineage.
absl::Status add_story(Client& client, const v1::Alert& shown, std::string& text) {
  if (!shown.has_incident()) return absl::OkStatus();
  v1::ListAlertsRequest request;
  request.mutable_filter()->set_incident(shown.incident().id());
  request.set_limit(kStoryShown);
  std::vector<v1::Alert> story;
  const absl::Status status = client.list_alerts(request, [&](const v1::Alert& alert) {
    story.push_back(alert);
    return true;
  });
  text += story_text(story, shown.id());
  return status;
}

void add_show(CLI::App& alerts, Session& session) {
  const auto id = std::make_shared<std::string>();
  CLI::App* show =
      alerts.add_subcommand("show", "One alert, and the story that it belongs to")->fallthrough();
  show->add_option("ID", *id, "Id of the alert, or the beginning of it")->required();
  show->callback([id, &session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto alert = client.alert(*id);
      if (!alert.ok()) return alert.status();
      Row row = row_of(*alert, session.json);
      absl::Status status;
      if (auto* text = std::get_if<std::string>(&row.content))
        status = add_story(client, *alert, *text);
      rows.add(std::move(row));
      return status;
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
