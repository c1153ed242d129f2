#include "common/alert_json.h"

#include <map>
#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/printable.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

// Ancestors carry what tells them apart; the process itself also says where it worked.
Json ancestor_object(const v1::Process& process) {
  Json object{{"pid", process.pid()}, {"start_ns", process.start_ns()}, {"name", process.name()},
              {"exe", process.exe()}, {"cmdline", process.cmdline()},   {"uid", process.uid()}};
  if (!process.origin().empty()) object["origin"] = process.origin();
  if (!process.agent().empty()) object["agent"] = process.agent();
  return object;
}

Json process_object(const v1::Process& process) {
  Json object = ancestor_object(process);
  object["cwd"] = process.cwd();
  return object;
}

// The map has no order of its own, and the same alert must give the same line.
Json map_object(const google::protobuf::Map<std::string, std::string>& map) {
  Json object = Json::object();
  const std::map<std::string, std::string> sorted(map.begin(), map.end());
  for (const auto& [key, value] : sorted) object[key] = value;
  return object;
}

Json pod_object(const v1::Pod& pod) {
  return Json{{"name", pod.name()},
              {"namespace", pod.namespace_()},
              {"uid", pod.uid()},
              {"labels", map_object(pod.labels())},
              {"annotations", map_object(pod.annotations())}};
}

Json step_object(const v1::Step& step) {
  Json object{{"name", step.name()},
              {"time", time_text(step.time())},
              {"event", step.event_type()},
              {"process", process_object(step.process())},
              {"fields", map_object(step.fields())}};
  if (step.count() > 1) object["count"] = step.count();
  return object;
}

Json incident_object(const v1::Incident& incident) {
  Json object{{"id", incident.id()}, {"position", incident.position()}};
  if (!incident.parent().empty()) object["parent"] = incident.parent();
  if (!incident.stage().empty()) object["stage"] = incident.stage();
  return object;
}

}  // namespace

std::string_view priority_name(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_EMERGENCY:
      return "EMERGENCY";
    case v1::PRIORITY_ALERT:
      return "ALERT";
    case v1::PRIORITY_CRITICAL:
      return "CRITICAL";
    case v1::PRIORITY_ERROR:
      return "ERROR";
    case v1::PRIORITY_WARNING:
      return "WARNING";
    case v1::PRIORITY_INFORMATIONAL:
      return "INFORMATIONAL";
    case v1::PRIORITY_DEBUG:
      return "DEBUG";
    default:
      break;
  }
  // A priority this version does not know still claims that somebody did what they should not.
  return "NOTICE";
}

uint64_t wall_ns(const google::protobuf::Timestamp& time) {
  if (time.seconds() < 0) return 0;
  return static_cast<uint64_t>(time.seconds()) * 1'000'000'000U +
         static_cast<uint64_t>(time.nanos());
}

void set_wall_ns(google::protobuf::Timestamp& time, uint64_t wall_ns) {
  time.set_seconds(static_cast<int64_t>(wall_ns / 1'000'000'000U));
  time.set_nanos(static_cast<int32_t>(wall_ns % 1'000'000'000U));
}

std::string time_text(const google::protobuf::Timestamp& time) {
  return rfc3339(wall_ns(time)).text;
}

Json workspace_object(const v1::Workspace& workspace) {
  Json object{{"id", workspace.id()},
              {"name", workspace.name()},
              {"container_id", workspace.container_id()},
              {"image", workspace.image()},
              {"image_source", workspace.image_source()},
              {"cgroup", workspace.cgroup()},
              {"runtime", workspace.runtime()},
              {"labels", map_object(workspace.labels())},
              {"image_digest", workspace.image_digest()},
              {"owner", workspace.owner()},
              {"template", workspace.template_()},
              {"repository", workspace.repository()},
              {"pull_request", workspace.pull_request()}};
  if (workspace.has_pod()) object["pod"] = pod_object(workspace.pod());
  if (!workspace.incomplete().empty()) object["incomplete"] = workspace.incomplete();
  return object;
}

Json alert_object(const v1::Alert& alert) {
  Json tags = Json::array();
  for (const std::string& tag : alert.tags()) tags.push_back(tag);
  Json lineage = Json::array();
  for (const v1::Process& ancestor : alert.lineage()) lineage.push_back(ancestor_object(ancestor));
  Json object{{"id", alert.id()},
              {"time", time_text(alert.time())},
              {"rule", alert.rule()},
              {"priority", priority_name(alert.priority())},
              {"output", alert.output()},
              {"tags", std::move(tags)},
              {"node", alert.node()},
              {"workspace", workspace_object(alert.workspace())},
              {"process", process_object(alert.process())},
              {"lineage", std::move(lineage)},
              {"count", alert.count() == 0 ? 1 : alert.count()},
              {"first", time_text(alert.has_first() ? alert.first() : alert.time())},
              {"last", time_text(alert.has_last() ? alert.last() : alert.time())},
              {"event", alert.event_type()},
              {"fields", map_object(alert.fields())},
              {"why", alert.why()}};
  if (!alert.action().empty()) object["action"] = alert.action();
  for (const v1::Step& step : alert.steps()) object["steps"].push_back(step_object(step));
  if (alert.shadow()) object["shadow"] = true;
  if (alert.has_incident()) object["incident"] = incident_object(alert.incident());
  if (alert.has_stored()) object["stored"] = time_text(alert.stored());
  return object;
}

std::string json_line(const Json& object) {
  return printable_json(object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string alert_json(const v1::Alert& alert) { return json_line(alert_object(alert)); }

}  // namespace picket
