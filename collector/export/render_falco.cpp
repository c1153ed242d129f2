#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "collector/export/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

// "Critical", as Falco writes it.
std::string falco_priority(v1::Priority priority) {
  std::string name(priority_name(priority));
  for (size_t i = 1; i < name.size(); ++i) name[i] = static_cast<char>(name[i] - 'A' + 'a');
  return name;
}

// Falco's names for what every alert knows; a field that the rule itself names wins.
std::map<std::string, Json> output_fields(const v1::Alert& alert) {
  const v1::Workspace& workspace = alert.workspace();
  const v1::Process& process = alert.process();
  const ImageName image = split_image(workspace.image());
  std::map<std::string, Json> fields{
      {"container.id", workspace.container_id()},
      {"container.name", workspace.name()},
      {"container.image.repository", image.repository},
      {"container.image.tag", image.tag},
      {"picket.alert.id", alert.id()},
      {"picket.alert.count", alert.count() == 0 ? 1 : alert.count()},
      {"picket.workspace.id", workspace.id()},
      {"picket.workspace.owner", workspace.owner()},
  };
  if (workspace.has_pod()) {
    fields["k8s.ns.name"] = workspace.pod().namespace_();
    fields["k8s.pod.name"] = workspace.pod().name();
  }
  if (alert.has_incident()) fields["picket.incident.id"] = alert.incident().id();
  if (process.pid() != 0) {
    fields["proc.pid"] = process.pid();
    fields["proc.name"] = process.name();
    fields["proc.exepath"] = process.exe();
    fields["proc.cmdline"] = process.cmdline();
    fields["user.uid"] = process.uid();
  }
  for (const auto& [name, value] : alert.fields()) fields[name] = value;
  return fields;
}

}  // namespace

std::string falco_json(const v1::Alert& alert) {
  const std::string time = time_text(alert.time());  // 2025-11-25T20:29:12.123456789Z
  const std::string priority = falco_priority(alert.priority());
  Json tags = Json::array();
  for (const std::string& tag : alert.tags()) tags.push_back(tag);
  Json fields = Json::object();
  for (auto& [name, value] : output_fields(alert)) fields[name] = std::move(value);
  return json_line(Json{
      {"uuid", alert.id()},
      {"hostname", node_name(alert.node())},
      {"time", time},
      {"rule", alert.rule()},
      {"priority", priority},
      {"source", "syscall"},
      {"message", alert.output()},
      {"output", fmt::format("{}: {} {}", time.substr(11, 18), priority, alert.output())},
      {"tags", std::move(tags)},
      {"output_fields", std::move(fields)},
  });
}

}  // namespace picket
