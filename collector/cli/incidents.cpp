#include "collector/cli/incidents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "collector/cli/render.h"
#include "common/alert_json.h"
#include "common/incident_words.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::array<std::string, 7>;

template <class Texts>
Json list(const Texts& all) {
  return std::vector<std::string>(all.begin(), all.end());
}

template <class Texts>
std::string words(const Texts& all, std::string_view between) {
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

std::string state_words(const v1::IncidentHandling& handling) {
  std::string text(incident_state_word(handling.state()));
  if (handling.state() == v1::INCIDENT_STATE_RESOLVED)
    text += fmt::format(": {}", incident_verdict_word(handling.verdict()));
  if (!handling.assignee().empty())
    text += fmt::format(", assigned to {}", printable(handling.assignee()));
  return text + fmt::format(" (revision {})", handling.revision());
}

std::string change_text(const v1::IncidentChange& change) {
  std::string text = fmt::format("             {}  {} by {}", short_time(change.time()),
                                 incident_action_word(change.action()), printable(change.actor()));
  if (change.action() == v1::INCIDENT_ACTION_ASSIGN)
    text += " to " + (change.assignee().empty() ? "nobody" : printable(change.assignee()));
  if (change.action() == v1::INCIDENT_ACTION_RESOLVE)
    text += fmt::format(" as {}", incident_verdict_word(change.verdict()));
  if (!change.reason().empty()) text += fmt::format(": {}", printable(change.reason()));
  return text + '\n';
}

Json change_object(const v1::IncidentChange& change) {
  Json object{{"time", time_text(change.time())},
              {"actor", change.actor()},
              {"change", incident_action_word(change.action())},
              {"reason", change.reason()}};
  if (change.action() == v1::INCIDENT_ACTION_ASSIGN) object["assignee"] = change.assignee();
  if (change.action() == v1::INCIDENT_ACTION_RESOLVE)
    object["verdict"] = incident_verdict_word(change.verdict());
  return object;
}

// Bytes outside ASCII are part of a character that began before.
std::string cut(std::string line, size_t width) {
  size_t columns = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    if ((static_cast<unsigned char>(line[at]) & 0xC0U) == 0x80U) continue;
    if (++columns > width) return line.substr(0, at);
  }
  return line;
}

std::string quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : printable(text)) quoted += c == '\'' ? std::string("'\\''") : std::string{c};
  return quoted + "'";
}

absl::Status check_exact(std::string_view what, const std::string& name) {
  if (name.find_first_of("*?[]\\") == name.npos && printable(name) == name) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\" would read as a pattern in a waiver: write one by hand, with "
                  "picketctl waivers add",
                  what, printable(name)));
}

}  // namespace

std::string incident_table(std::span<const v1::IncidentSummary> incidents, size_t width) {
  std::vector<Row> rows{
      {"INCIDENT", "LAST", "PRIORITY", "STATE", "ASSIGNEE", "ALERTS", "WORKSPACE"}};
  for (const v1::IncidentSummary& incident : incidents)
    rows.push_back(
        {printable(incident.id()), time_text(incident.last()).substr(0, 19) + "Z",
         std::string(priority_name(incident.priority())),
         std::string(incident_state_word(incident.handling().state())),
         incident.handling().assignee().empty() ? "-" : printable(incident.handling().assignee()),
         std::to_string(incident.alerts()), printable(incident.workspace_name())});
  std::array<size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i + 1 < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line += row.back();
    text += (width == 0 ? line : cut(std::move(line), width)) + '\n';
  }
  return text;
}

std::string incident_text(const v1::GetIncidentResponse& response) {
  const v1::IncidentSummary& incident = response.incident();
  std::string text = fmt::format("{}  {}  {} alerts, {} findings, until {}\n",
                                 short_time(incident.first()), priority_name(incident.priority()),
                                 incident.alerts(), incident.count(), short_time(incident.last()));
  text += fmt::format("  workspace  {}{}\n", printable(incident.workspace_name()),
                      incident.namespace_().empty()
                          ? ""
                          : fmt::format("  namespace {}", printable(incident.namespace_())));
  if (!incident.stages().empty())
    text += fmt::format("  stages     {}\n", words(incident.stages(), " ▸ "));
  text += fmt::format("  rules      {}\n", words(incident.rules(), ", "));
  text +=
      fmt::format("  incident   {}  on {}\n", printable(incident.id()), printable(incident.node()));
  text += fmt::format("  state      {}\n", state_words(incident.handling()));
  if (incident.has_contained())
    text += fmt::format("  contained  {}\n", short_time(incident.contained()));
  if (!incident.handling().history().empty()) text += "  history\n";
  for (const v1::IncidentChange& change : incident.handling().history())
    text += change_text(change);
  text += response.alerts_size() < static_cast<int>(incident.alerts())
              ? fmt::format("  alerts     the newest {} of {}\n", response.alerts_size(),
                            incident.alerts())
              : "  alerts\n";
  for (const v1::Alert& alert : response.alerts()) text += story_line(alert, false);
  return text;
}

Json incident_object(const v1::IncidentSummary& incident) {
  const v1::IncidentHandling& handling = incident.handling();
  Json object{{"incident", incident.id()},
              {"first", time_text(incident.first())},
              {"last", time_text(incident.last())},
              {"priority", priority_name(incident.priority())},
              {"node", incident.node()},
              {"workspace", incident.workspace_name()},
              {"workspace_id", incident.workspace_id()},
              {"namespace", incident.namespace_()},
              {"alerts", incident.alerts()},
              {"count", incident.count()},
              {"stages", list(incident.stages())},
              {"rules", list(incident.rules())},
              {"state", incident_state_word(handling.state())},
              {"assignee", handling.assignee()},
              {"revision", handling.revision()}};
  if (handling.state() == v1::INCIDENT_STATE_RESOLVED)
    object["verdict"] = incident_verdict_word(handling.verdict());
  if (handling.has_acknowledged()) object["acknowledged"] = time_text(handling.acknowledged());
  if (incident.has_contained()) object["contained"] = time_text(incident.contained());
  for (const v1::IncidentChange& change : handling.history())
    object["history"].push_back(change_object(change));
  return object;
}

std::string story_text(const v1::GetIncidentResponse& incident, const std::string& shown) {
  if (incident.alerts_size() < 2) return {};
  std::string text = fmt::format("  incident   {}  {} alerts\n",
                                 printable(incident.incident().id()), incident.incident().alerts());
  for (const v1::Alert& alert : incident.alerts()) text += story_line(alert, alert.id() == shown);
  return text;
}

absl::Status fill_waiver(const v1::IncidentSummary& incident, WaiverDraft& draft) {
  if (incident.workspace_name().empty())
    return absl::InvalidArgumentError(
        "the incident is of no workspace: write the waiver by hand, with picketctl waivers add");
  absl::Status status = check_exact("workspace", incident.workspace_name());
  status.Update(check_exact("namespace", incident.namespace_()));
  for (const std::string& rule : incident.rules()) status.Update(check_exact("rule", rule));
  if (!status.ok()) return status;
  draft.rules.assign(incident.rules().begin(), incident.rules().end());
  draft.scope = {"workspace=" + incident.workspace_name()};
  if (!incident.namespace_().empty()) draft.scope.push_back("namespace=" + incident.namespace_());
  return absl::OkStatus();
}

std::string waiver_command(const WaiverDraft& draft) {
  std::string text = fmt::format("picketctl waivers add {}", quoted(draft.name));
  const auto add = [&](std::string_view option, const std::string& value,
                       std::string_view missing) {
    text += fmt::format(" {} {}", option, value.empty() ? std::string(missing) : quoted(value));
  };
  for (const std::string& rule : draft.rules) add("--rule", rule, "");
  for (const std::string& selector : draft.scope) add("--scope", selector, "");
  add("--owner", draft.owner, "OWNER");
  add("--reason", draft.reason, "WHY");
  add("--expires", draft.expires, "DAY");
  add("--key", draft.key.string(), "KEY");
  return text;
}

}  // namespace picket
