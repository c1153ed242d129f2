#include "common/alert_json.h"

#include <map>
#include <nlohmann/json.hpp>

#include "common/clock.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

// Ancestors carry what tells them apart; the process itself also says where it worked.
Json ancestor_object(const v1::Process& process) {
  return Json{{"pid", process.pid()}, {"start_ns", process.start_ns()}, {"name", process.name()},
              {"exe", process.exe()}, {"cmdline", process.cmdline()},   {"uid", process.uid()}};
}

Json process_object(const v1::Process& process) {
  Json object = ancestor_object(process);
  object["cwd"] = process.cwd();
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
  Json labels = Json::object();
  // The map has no order of its own, and the same alert must give the same line.
  const std::map<std::string, std::string> sorted(workspace.labels().begin(),
                                                  workspace.labels().end());
  for (const auto& [key, value] : sorted) labels[key] = value;
  return Json{{"id", workspace.id()},
              {"name", workspace.name()},
              {"container_id", workspace.container_id()},
              {"image", workspace.image()},
              {"image_source", workspace.image_source()},
              {"cgroup", workspace.cgroup()},
              {"runtime", workspace.runtime()},
              {"labels", std::move(labels)}};
}

Json alert_object(const v1::Alert& alert) {
  Json tags = Json::array();
  for (const std::string& tag : alert.tags()) tags.push_back(tag);
  Json lineage = Json::array();
  for (const v1::Process& ancestor : alert.lineage()) lineage.push_back(ancestor_object(ancestor));
  Json fields = Json::object();
  const std::map<std::string, std::string> sorted(alert.fields().begin(), alert.fields().end());
  for (const auto& [name, value] : sorted) fields[name] = value;
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
              {"fields", std::move(fields)},
              {"why", alert.why()}};
  if (!alert.action().empty()) object["action"] = alert.action();
  if (alert.has_stored()) object["stored"] = time_text(alert.stored());
  return object;
}

std::string json_line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string alert_json(const v1::Alert& alert) { return json_line(alert_object(alert)); }

}  // namespace picket
