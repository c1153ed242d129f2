#include "agent/enrich/identity_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace picket {
namespace {

using nlohmann::ordered_json;

ordered_json workspace_to_json(const Workspace& workspace) {
  return {{"id", workspace.id},
          {"name", workspace.name},
          {"container_id", workspace.container_id},
          {"image", workspace.image},
          {"image_source", workspace.image_source},
          {"cgroup", workspace.cgroup},
          {"runtime", workspace.runtime},
          {"rootfs", workspace.rootfs},
          {"init_pid", workspace.init_pid},
          {"labels", workspace.labels}};
}

// Throws nlohmann's exceptions; identity_from_json() is their border.
Workspace workspace_from_json(const ordered_json& object, uint64_t cgroup_id) {
  Workspace workspace;
  workspace.cgroup_id = cgroup_id;
  workspace.id = object.at("id").get<std::string>();
  workspace.name = object.at("name").get<std::string>();
  workspace.container_id = object.value("container_id", "");
  workspace.image = object.at("image").get<std::string>();
  workspace.image_source = object.value("image_source", "");
  workspace.cgroup = object.value("cgroup", "");
  workspace.runtime = object.value("runtime", "unknown");
  workspace.rootfs = object.value("rootfs", "");
  workspace.init_pid = object.value("init_pid", 0u);
  workspace.labels = object.value("labels", std::map<std::string, std::string>());
  workspace.resolved = true;
  return workspace;
}

}  // namespace

std::string identity_to_json(uint64_t cgroup_id, const absl::StatusOr<Workspace>& workspace) {
  ordered_json object{{"cgroup_id", cgroup_id}};
  if (workspace.ok()) {
    object["workspace"] = workspace_to_json(*workspace);
  } else {
    object["error"] = std::string(workspace.status().message());
  }
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

absl::StatusOr<Identity> identity_from_json(std::string_view text) {
  try {
    const ordered_json object = ordered_json::parse(text);
    const auto cgroup_id = object.at("cgroup_id").get<uint64_t>();
    if (object.contains("error")) {
      return Identity{cgroup_id, absl::UnknownError(object.at("error").get<std::string>())};
    }
    return Identity{cgroup_id, workspace_from_json(object.at("workspace"), cgroup_id)};
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("cannot read a workspace's identity: {}", error.what()));
  }
}

}  // namespace picket
