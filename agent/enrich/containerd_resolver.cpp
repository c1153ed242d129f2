#include "agent/enrich/containerd_resolver.h"

#include <fmt/format.h>

#include <charconv>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/oci_spec.h"
#include "agent/enrich/posture.h"
#include "agent/enrich/small_file.h"
#include "agent/enrich/state_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

// cgroupsPath is a path, or SLICE:PREFIX:ID with the systemd driver.
bool belongs_to(std::string_view configured, std::string_view cgroup) {
  if (configured.empty()) return false;
  const size_t colon = configured.find_last_of(':');
  if (colon != configured.npos) return configured.substr(colon + 1) == workspace_id(cgroup);
  // The runtime may itself live below some cgroup, or see the hierarchy from a higher one.
  return is_cgroup_path(cgroup, configured) || is_cgroup_path(configured, cgroup);
}

uint32_t init_pid_of(const fs::path& bundle) {
  const absl::StatusOr<std::string> text = read_small_file((bundle / "init.pid").string(), 64);
  uint32_t pid = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), pid);
  return pid;
}

absl::StatusOr<Workspace> read_container(const fs::path& bundle, std::string_view cgroup) {
  absl::StatusOr<nlohmann::json> config = read_json(bundle / "config.json");
  std::error_code error;
  if (absl::IsNotFound(config.status()) && fs::is_directory(bundle, error) &&
      bundle.filename() == workspace_id(cgroup)) {
    return absl::UnavailableError(fmt::format("{} has no configuration yet", bundle.string()));
  }
  if (!config.ok()) return config.status();
  if (!belongs_to(text_at(*config, "/linux/cgroupsPath"), cgroup)) {
    return absl::NotFoundError(fmt::format("{} is another", bundle.string()));
  }
  const std::string root = text_at(*config, "/root/path");
  if (root.empty())
    return absl::DataLossError(fmt::format("{}/config.json has no root", bundle.string()));
  Workspace workspace;
  workspace.id = workspace.container_id = bundle.filename().string();
  workspace.rootfs = (bundle / root).lexically_normal().string();
  workspace.runtime = "containerd";
  workspace.init_pid = init_pid_of(bundle);
  const nlohmann::json::json_pointer annotations("/annotations");
  apply_annotations(workspace, config->contains(annotations)
                                   ? texts_of((*config)[annotations])
                                   : std::map<std::string, std::string>());
  apply_oci_spec(workspace, *config);
  workspace.posture = posture_of(*config, is_host_namespace);
  return workspace;
}

}  // namespace

absl::StatusOr<Workspace> ContainerdResolver::resolve(const CgroupRef& cgroup) {
  const auto read = [&](const fs::path& bundle) { return read_container(bundle, cgroup.path); };
  for (const fs::path& root : roots_) {
    std::error_code error;
    for (fs::directory_iterator space(root, error), end; !error && space != end;
         space.increment(error)) {
      absl::StatusOr<Workspace> found = find_container(space->path(), cgroup.path, read);
      if (found.ok()) found->labels["io.containerd.namespace"] = space->path().filename().string();
      if (found.ok() || !absl::IsNotFound(found.status())) return found;
    }
  }
  return absl::NotFoundError(fmt::format("no container of containerd has cgroup {}", cgroup.path));
}

}  // namespace picket
