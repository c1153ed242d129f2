#include <fmt/format.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "collector/export/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kOcsfVersion = "1.4.0";
constexpr int kFindings = 2, kDetectionFinding = 2004, kCreate = 1, kNew = 1, kRule = 1;
constexpr int kRegularFile = 1, kServer = 1;

struct Severity {
  int id;
  const char* name;
};
Severity severity(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_EMERGENCY:
      return {6, "Fatal"};
    case v1::PRIORITY_ALERT:
    case v1::PRIORITY_CRITICAL:
      return {5, "Critical"};
    case v1::PRIORITY_ERROR:
      return {4, "High"};
    case v1::PRIORITY_WARNING:
      return {3, "Medium"};
    case v1::PRIORITY_INFORMATIONAL:
    case v1::PRIORITY_DEBUG:
      return {1, "Informational"};
    default:
      return {2, "Low"};
  }
}

int64_t milliseconds(const google::protobuf::Timestamp& time) {
  return static_cast<int64_t>(wall_ns(time) / 1'000'000U);
}

void put(Json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

// T1059 or T1059.004
bool is_technique(const std::string& tag) {
  if (tag.size() != 5 && tag.size() != 9) return false;
  for (size_t i = 0; i < tag.size(); ++i) {
    const bool fits = i == 0   ? tag[i] == 'T'
                      : i == 5 ? tag[i] == '.'
                               : std::isdigit(static_cast<unsigned char>(tag[i])) != 0;
    if (!fits) return false;
  }
  return true;
}

Json attacks(const v1::Alert& alert) {
  Json all = Json::array();
  for (const std::string& tag : alert.tags()) {
    if (!is_technique(tag)) continue;
    Json attack{{"technique", {{"uid", tag.substr(0, 5)}}}};
    if (tag.size() > 5) attack["sub_technique"] = {{"uid", tag}};
    all.push_back(std::move(attack));
  }
  return all;
}

Json file_of(const v1::Process& process) {
  const std::string& path = process.exe();
  return Json{
      {"name", path.substr(path.rfind('/') + 1)}, {"path", path}, {"type_id", kRegularFile}};
}

Json process_entity(const v1::Process& process) {
  Json entity{{"pid", process.pid()},
              {"uid", fmt::format("{}:{}", process.pid(), process.start_ns())}};
  put(entity, "name", process.name());
  put(entity, "cmd_line", process.cmdline());
  put(entity, "path", process.exe());
  return entity;
}

Json container_of(const v1::Workspace& workspace) {
  const ImageName image = split_image(workspace.image());
  Json container{
      {"uid", workspace.container_id().empty() ? workspace.id() : workspace.container_id()},
      {"name", workspace.name()}};
  Json of{{"uid", workspace.image_digest().empty() ? workspace.image() : workspace.image_digest()},
          {"name", image.repository}};
  put(of, "tag", image.tag);
  container["image"] = std::move(of);
  put(container, "runtime", workspace.runtime());
  if (workspace.has_pod()) {
    container["orchestrator"] = "Kubernetes";
    put(container, "pod_uuid", workspace.pod().uid());
  }
  return container;
}

Json process_of(const v1::Alert& alert) {
  Json process = process_entity(alert.process());
  put(process, "working_directory", alert.process().cwd());
  process["user"] = {{"uid", std::to_string(alert.process().uid())}};
  if (!alert.process().exe().empty()) process["file"] = file_of(alert.process());
  if (!alert.lineage().empty()) process["parent_process"] = process_entity(alert.lineage(0));
  for (const v1::Process& ancestor : alert.lineage())
    process["ancestry"].push_back(process_entity(ancestor));
  process["container"] = container_of(alert.workspace());
  return process;
}

Json device_of(const v1::Alert& alert) {
  return Json{{"hostname", node_name(alert.node())}, {"uid", alert.node()}, {"type_id", kServer}};
}

Json finding_info(const v1::Alert& alert) {
  Json info{{"uid", alert.id()},
            {"title", alert.rule()},
            {"desc", alert.output()},
            {"analytic",
             {{"name", alert.rule()}, {"uid", alert.rule()}, {"type_id", kRule}, {"type", "Rule"}}},
            {"created_time", milliseconds(alert.time())},
            {"first_seen_time", milliseconds(alert.has_first() ? alert.first() : alert.time())},
            {"last_seen_time", milliseconds(alert.has_last() ? alert.last() : alert.time())}};
  put(info["analytic"], "desc", alert.why());
  if (Json all = attacks(alert); !all.empty()) info["attacks"] = std::move(all);
  return info;
}

Json resource_of(const v1::Workspace& workspace) {
  Json resource{{"uid", workspace.id()}, {"name", workspace.name()}, {"type", "workspace"}};
  put(resource, "namespace", workspace.pod().namespace_());
  if (!workspace.owner().empty()) resource["owner"] = {{"name", workspace.owner()}};
  return resource;
}

// What OCSF has no place for.
Json unmapped(const v1::Alert& alert) {
  Json object{{"priority", priority_name(alert.priority())}};
  for (const std::string& tag : alert.tags()) object["tags"].push_back(tag);
  put(object, "action", alert.action());
  if (alert.shadow()) object["shadow"] = true;
  const Json whole = alert_object(alert);
  object["fields"] = whole.at("fields");
  if (!alert.process().origin().empty()) object["origin"] = alert.process().origin();
  if (!alert.process().agent().empty()) object["agent"] = alert.process().agent();
  for (const char* part : {"steps", "incident"})
    if (whole.contains(part)) object[part] = whole.at(part);
  return object;
}

}  // namespace

std::string ocsf_json(const v1::Alert& alert, std::string_view version) {
  const auto [severity_id, severity_name] = severity(alert.priority());
  Json metadata{{"version", kOcsfVersion},
                {"uid", alert.id()},
                {"product", {{"name", "Picket"}, {"vendor_name", "Picket"}, {"version", version}}},
                {"profiles", Json::array({"container"})}};
  if (alert.has_stored()) metadata["logged_time"] = milliseconds(alert.stored());
  put(metadata, "correlation_uid", alert.incident().id());
  Json finding{{"category_uid", kFindings},
               {"category_name", "Findings"},
               {"class_uid", kDetectionFinding},
               {"class_name", "Detection Finding"},
               {"activity_id", kCreate},
               {"activity_name", "Create"},
               {"type_uid", kDetectionFinding * 100 + kCreate},
               {"type_name", "Detection Finding: Create"},
               {"severity_id", severity_id},
               {"severity", severity_name},
               {"status_id", kNew},
               {"status", "New"},
               {"time", milliseconds(alert.time())},
               {"message", alert.output()},
               {"count", alert.count() == 0 ? 1 : alert.count()},
               {"is_alert", severity_id > 1 && !alert.shadow()},
               {"metadata", std::move(metadata)},
               {"finding_info", finding_info(alert)},
               {"device", device_of(alert)}};
  Json evidence{{"device", finding["device"]}};
  if (alert.process().pid() != 0) evidence["process"] = process_of(alert);
  if (!alert.workspace().id().empty()) {
    evidence["container"] = container_of(alert.workspace());
    finding["resources"] = Json::array({resource_of(alert.workspace())});
  }
  finding["evidences"] = Json::array({std::move(evidence)});
  finding["unmapped"] = unmapped(alert);
  return json_line(finding);
}

}  // namespace picket
