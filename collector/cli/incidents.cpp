#include "collector/cli/incidents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

void add_once(std::vector<std::string>& all, const std::string& one) {
  if (!one.empty() && std::ranges::find(all, one) == all.end()) all.push_back(one);
}

std::string words(const std::vector<std::string>& all, std::string_view between) {
  return printable(fmt::format("{}", fmt::join(all, between)));
}

std::string story_line(const v1::Alert& alert, bool shown) {
  return fmt::format(
      "           {} {:>3}  {}  {:<8}  {}{}{}\n", shown ? '>' : ' ', alert.incident().position(),
      short_time(alert.time()), priority_name(alert.priority()), printable(alert.rule()),
      alert.incident().stage().empty() ? ""
                                       : fmt::format("  ({})", printable(alert.incident().stage())),
      alert.count() > 1 ? fmt::format("  {} times", alert.count()) : "");
}

}  // namespace

void Incidents::add(const v1::Alert& alert) {
  const v1::Incident& of = alert.incident();
  if (of.id().empty()) return;
  auto known = std::ranges::find_if(all_, [&](const IncidentSummary& incident) {
    return incident.id == of.id() && incident.node == alert.node();
  });
  if (known == all_.end()) {
    IncidentSummary& begun = all_.emplace_back();
    begun.id = of.id();
    begun.node = alert.node();
    begun.workspace = alert.workspace().name();
    begun.first = begun.last = alert.time();
    known = std::prev(all_.end());
  }
  if (alert.priority() != v1::PRIORITY_UNSPECIFIED)
    known->priority = std::min(known->priority, alert.priority());
  const auto& last = alert.has_last() ? alert.last() : alert.time();
  if (wall_ns(last) > wall_ns(known->last)) known->last = last;
  ++known->alerts;
  known->count += std::max<uint64_t>(alert.count(), 1);
  add_once(known->stages, of.stage());
  add_once(known->rules, alert.rule());
}

std::string incident_text(const IncidentSummary& incident) {
  std::string text = fmt::format("{}  {}  {} alerts, {} findings, until {}\n",
                                 short_time(incident.first), priority_name(incident.priority),
                                 incident.alerts, incident.count, short_time(incident.last));
  text += fmt::format("  workspace  {}\n", printable(incident.workspace));
  if (!incident.stages.empty())
    text += fmt::format("  stages     {}\n", words(incident.stages, " ▸ "));
  text += fmt::format("  rules      {}\n", words(incident.rules, ", "));
  return text +
         fmt::format("  incident   {}  on {}\n", printable(incident.id), printable(incident.node));
}

nlohmann::ordered_json incident_object(const IncidentSummary& incident) {
  return {{"incident", incident.id},
          {"first", time_text(incident.first)},
          {"last", time_text(incident.last)},
          {"priority", priority_name(incident.priority)},
          {"node", incident.node},
          {"workspace", incident.workspace},
          {"alerts", incident.alerts},
          {"count", incident.count},
          {"stages", incident.stages},
          {"rules", incident.rules}};
}

std::string story_text(std::span<const v1::Alert> alerts, const std::string& shown) {
  if (alerts.size() < 2) return {};
  std::string text = fmt::format("  incident   {}  {} alerts\n",
                                 printable(alerts.front().incident().id()), alerts.size());
  for (const v1::Alert& alert : alerts) text += story_line(alert, alert.id() == shown);
  return text;
}

}  // namespace picket
