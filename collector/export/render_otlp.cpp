#include <nlohmann/json.hpp>

#include "collector/export/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

int severity_number(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_EMERGENCY:
      return 21;  // FATAL
    case v1::PRIORITY_ALERT:
      return 19;
    case v1::PRIORITY_CRITICAL:
      return 18;
    case v1::PRIORITY_ERROR:
      return 17;  // ERROR
    case v1::PRIORITY_WARNING:
      return 13;  // WARN
    case v1::PRIORITY_INFORMATIONAL:
      return 9;  // INFO
    case v1::PRIORITY_DEBUG:
      return 5;  // DEBUG
    default:
      return 10;  // INFO2, syslog's notice
  }
}

// OTLP's list of keys and values.
class Attributes {
 public:
  void add(const char* key, const std::string& text) { put(key, {{"stringValue", text}}); }
  void add_if(const char* key, const std::string& text) {
    if (!text.empty()) add(key, text);
  }
  void add(const char* key, uint64_t number) {  // 64-bit numbers are texts in protobuf's JSON
    put(key, {{"intValue", std::to_string(number)}});
  }
  void add_texts(const char* key, const google::protobuf::RepeatedPtrField<std::string>& texts) {
    Json values = Json::array();
    for (const std::string& text : texts) values.push_back({{"stringValue", text}});
    put(key, {{"arrayValue", {{"values", std::move(values)}}}});
  }
  void add_fields(const Json& fields) {
    for (const auto& [name, value] : fields.items())
      list_.push_back({{"key", "picket.field." + name}, {"value", {{"stringValue", value}}}});
  }
  Json take() { return std::move(list_); }

 private:
  void put(const char* key, Json value) {
    list_.push_back({{"key", key}, {"value", std::move(value)}});
  }
  Json list_ = Json::array();
};

Json attributes(const v1::Alert& alert) {
  Attributes list;
  list.add("picket.alert.id", alert.id());
  list.add("picket.rule", alert.rule());
  list.add("picket.count", alert.count() == 0 ? 1 : alert.count());
  list.add_texts("picket.tags", alert.tags());
  list.add_if("picket.action", alert.action());
  list.add_if("picket.incident.id", alert.incident().id());
  list.add("host.name", node_name(alert.node()));
  const v1::Workspace& workspace = alert.workspace();
  const ImageName image = split_image(workspace.image());
  list.add_if("picket.workspace.id", workspace.id());
  list.add_if("picket.workspace.owner", workspace.owner());
  list.add_if("container.id", workspace.container_id());
  list.add_if("container.name", workspace.name());
  list.add_if("container.image.name", image.repository);
  list.add_if("k8s.namespace.name", workspace.pod().namespace_());
  list.add_if("k8s.pod.name", workspace.pod().name());
  list.add_if("k8s.pod.uid", workspace.pod().uid());
  const v1::Process& process = alert.process();
  if (process.pid() != 0) {
    list.add("process.pid", process.pid());
    list.add_if("process.executable.path", process.exe());
    list.add_if("process.command_line", process.cmdline());
    list.add_if("picket.process.origin", process.origin());
    list.add_if("picket.process.agent", process.agent());
  }
  list.add_fields(alert_object(alert).at("fields"));
  return list.take();
}

Json record(const v1::Alert& alert) {
  return Json{{"timeUnixNano", std::to_string(wall_ns(alert.time()))},
              {"observedTimeUnixNano",
               std::to_string(wall_ns(alert.has_stored() ? alert.stored() : alert.time()))},
              {"severityNumber", severity_number(alert.priority())},
              {"severityText", priority_name(alert.priority())},
              {"body", {{"stringValue", alert.output()}}},
              {"attributes", attributes(alert)}};
}

}  // namespace

std::string otlp_logs(std::span<const StoredAlert> alerts, std::string_view version) {
  Json records = Json::array();
  for (const StoredAlert& one : alerts) records.push_back(record(one.alert));
  Attributes resource;
  resource.add("service.name", "picket");
  resource.add("service.version", std::string(version));
  Json logs{{"resource", {{"attributes", resource.take()}}}};
  logs["scopeLogs"] = Json::array({Json{{"scope", {{"name", "picket"}, {"version", version}}},
                                        {"logRecords", std::move(records)}}});
  return json_line(Json{{"resourceLogs", Json::array({std::move(logs)})}});
}

}  // namespace picket
