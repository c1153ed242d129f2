#include "collector/cli/objects.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string_view action_word(v1::Action action) {
  switch (action) {
    case v1::ACTION_KILL:
      return "kill";
    case v1::ACTION_FREEZE:
      return "freeze";
    case v1::ACTION_THAW:
      return "thaw";
    default:
      return "";
  }
}

const char* place_text(v1::OutputPlace place) {
  switch (place) {
    case v1::OUTPUT_PLACE_HERE:
      return "here";
    case v1::OUTPUT_PLACE_ELSEWHERE:
      return "elsewhere";
    default:
      return "unknown";
  }
}

Json output_object(const v1::OutputHealth& output) {
  Json object{{"name", output.name()},
              {"kind", output.kind()},
              {"place", place_text(output.place())},
              {"failing", output.failing()},
              {"delivered", output.delivered()},
              {"refused", output.refused()},
              {"lag_alerts", output.lag_alerts()},
              {"lag_seconds", output.lag_seconds()}};
  if (output.has_last_delivery()) object["last_delivery"] = time_text(output.last_delivery());
  if (output.has_last_error_time()) {
    object["last_error"] = output.last_error();
    object["last_error_time"] = time_text(output.last_error_time());
  }
  return object;
}

}  // namespace

Json workspace_status_object(const v1::NodeWorkspace& workspace) {
  Json object = workspace_object(workspace.status().workspace());
  object["state"] = state_word(workspace.status().state());
  object["since"] = time_text(workspace.status().since());
  object["processes"] = workspace.status().processes();
  object["node"] = workspace.node();
  return object;
}

Json node_object(const v1::Node& node) {
  Json gaps = Json::array();
  for (const v1::SequenceGap& gap : node.gaps()) {
    gaps.push_back({{"epoch", gap.epoch()}, {"first", gap.first()}, {"last", gap.last()}});
  }
  size_t blind = 0;
  for (const v1::CoverageLine& line : node.coverage().lines()) blind += line.state() != "attached";
  return Json{{"node", node.node()},
              {"connected", node.connected()},
              {"sight", !node.has_sight()     ? "unknown"
                        : node.sight().sees() ? "sees"
                                              : "blind"},
              {"sight_since", node.has_sight() ? time_text(node.sight().since()) : ""},
              {"sight_why", node.sight().why()},
              {"last_seen", time_text(node.last_seen())},
              {"agent_version", node.agent_version()},
              {"kernel", node.kernel()},
              {"tier", node.coverage().tier()},
              {"last_sequence", node.last_sequence()},
              {"blind_spots", blind},
              {"missing", node.missing()},
              {"rules_bundle", node.rules().bundle_id()},
              {"rules_serial", node.rules().serial()},
              {"rules_shadow", node.rules().shadow()},
              {"waivers", node.rules().waivers()},
              {"gaps", std::move(gaps)}};
}

Json coverage_line_object(const v1::Node& node, const v1::CoverageLine& line) {
  return Json{{"node", node.node()},
              {"hook", line.hook()},
              {"event", line.event()},
              {"state", line.state()},
              {"effect", line.effect()},
              {"reason", line.reason()},
              {"kernel", node.coverage().kernel()},
              {"untested", node.coverage().untested()},
              {"tier", node.coverage().tier()}};
}

Json system_call_object(const v1::Node& node, const std::string& name,
                        const v1::SystemCalls& group) {
  return Json{{"node", node.node()},
              {"syscall", name},
              {"state", group.state()},
              {"detail", group.detail()},
              {"kernel", node.coverage().kernel()}};
}

Json rule_gap_object(const v1::Node& node, const v1::RuleGap& gap) {
  return Json{{"node", node.node()},
              {"rule", gap.rule()},
              {"never_matches", gap.never_matches()},
              {"hooks", std::vector<std::string>(gap.hooks().begin(), gap.hooks().end())},
              {"effects", std::vector<std::string>(gap.effects().begin(), gap.effects().end())}};
}

Json status_object(const v1::GetStatusResponse& status) {
  Json refused = Json::object();
  const std::map<std::string, uint64_t> sorted(status.refused().begin(), status.refused().end());
  for (const auto& [reason, count] : sorted) refused[reason] = count;
  Json outputs = Json::array();
  for (const v1::OutputHealth& output : status.outputs()) outputs.push_back(output_object(output));
  return Json{{"version", status.version()},
              {"started", time_text(status.started())},
              {"alerts", status.alerts()},
              {"nodes", status.nodes()},
              {"nodes_connected", status.nodes_connected()},
              {"nodes_blind", status.nodes_blind()},
              {"refused", std::move(refused)},
              {"outputs", std::move(outputs)}};
}

Json command_object(const v1::RunCommandResponse& response) {
  const v1::CommandResult& result = response.result();
  return Json{{"command", result.command_id()},     {"action", action_word(result.action())},
              {"workspace", result.workspace_id()}, {"ok", result.ok()},
              {"detail", result.detail()},          {"dry_run", result.dry_run()},
              {"took_us", result.took_us()},        {"time", time_text(result.time())},
              {"audit", response.audit_id()}};
}

Json audit_object(const v1::AuditEntry& entry) {
  return Json{{"sequence", entry.sequence()},
              {"time", time_text(entry.time())},
              {"actor", entry.actor()},
              {"action", entry.action()},
              {"object", entry.object()},
              {"reason", entry.reason()},
              {"outcome", entry.outcome()},
              {"previous_hash", hex(entry.previous_hash())},
              {"hash", hex(entry.hash())},
              {"source", entry.source()},
              {"signature", hex(entry.signature())}};
}

}  // namespace picket
