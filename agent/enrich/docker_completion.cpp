#include "agent/enrich/docker_completion.h"

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/state_file.h"

namespace picket {

absl::Status DockerCompletion::complete(Workspace& workspace) {
  if (!is_container_id(workspace.container_id)) return absl::OkStatus();
  const auto config = read_json(root_ / "containers" / workspace.container_id / "config.v2.json");
  if (absl::IsNotFound(config.status())) return absl::OkStatus();
  if (!config.ok()) return config.status();
  workspace.runtime = "docker";
  std::string name = text_at(*config, "/Name");
  if (name.starts_with('/')) name.erase(0, 1);
  if (!name.empty()) workspace.name = name;
  if (std::string image = text_at(*config, "/Config/Image"); !image.empty()) {
    workspace.image = std::move(image);
    workspace.image_source = "runtime";
  }
  workspace.image_digest = text_at(*config, "/ImageManifest/digest");
  const nlohmann::json::json_pointer labels("/Config/Labels");
  if (config->contains(labels)) {
    for (const auto& [key, value] : texts_of((*config)[labels]))
      add_label(workspace.labels, key, value);
  }
  return absl::OkStatus();
}

}  // namespace picket
