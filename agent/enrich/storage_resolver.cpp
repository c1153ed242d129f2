#include "agent/enrich/storage_resolver.h"

#include <fmt/format.h>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/small_file.h"
#include "agent/enrich/state_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxListBytes = 16 << 20;

nlohmann::json parse(std::string_view text) { return nlohmann::json::parse(text, nullptr, false); }

// Podman's annotations hold neither name nor image; the list's metadata, a JSON text in a JSON
// text, does.
void take_from_list(Workspace& workspace, const fs::path& list) {
  const auto text = read_small_file(list.string(), kMaxListBytes);
  if (!text.ok()) return;
  const nlohmann::json containers = parse(*text);
  if (!containers.is_array()) return;
  for (const nlohmann::json& container : containers) {
    if (!container.is_object() || text_at(container, "/id") != workspace.id) continue;
    const nlohmann::json metadata = parse(text_at(container, "/metadata"));
    if (!metadata.is_object()) return;
    const std::string name = text_at(metadata, "/name"), image = text_at(metadata, "/image-name");
    if (workspace.name == workspace.id && !name.empty()) workspace.name = name;
    if (workspace.image_source != "annotation" && !image.empty()) {
      workspace.image = image;
      workspace.image_source = "runtime";
    }
    return;
  }
}

absl::StatusOr<Workspace> read_container(const fs::path& containers, const std::string& id) {
  const auto config = read_json(containers / id / "userdata" / "config.json");
  if (!config.ok()) return config.status();
  Workspace workspace;
  workspace.id = workspace.container_id = id;
  workspace.rootfs = text_at(*config, "/root/path");
  if (workspace.rootfs.empty()) {
    return absl::DataLossError(
        fmt::format("{}/{}/userdata/config.json has no root", containers.string(), id));
  }
  const nlohmann::json::json_pointer at("/annotations");
  const Labels annotations = config->contains(at) ? texts_of((*config)[at]) : Labels();
  const auto keeper = annotations.find("io.container.manager");
  const bool crio = keeper != annotations.end() && keeper->second == "cri-o";
  workspace.runtime = crio ? "cri-o" : "podman";
  apply_annotations(workspace, annotations);
  for (const char* list : {"containers.json", "volatile-containers.json"})
    take_from_list(workspace, containers / list);
  return workspace;
}

}  // namespace

absl::StatusOr<Workspace> StorageResolver::resolve(const CgroupRef& cgroup) {
  const std::string id = workspace_id(cgroup.path);
  if (!is_container_id(id)) return absl::NotFoundError("no container of containers/storage");
  for (const fs::path& root : roots_) {
    auto found = read_container(root / "overlay-containers", id);
    if (found.ok() || !absl::IsNotFound(found.status())) return found;
  }
  return absl::NotFoundError(fmt::format("containers/storage has no container {}", id));
}

}  // namespace picket
