#include "agent/enrich/runc_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/oci_spec.h"
#include "agent/enrich/posture.h"
#include "agent/enrich/state_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

// runc keeps the annotations of the bundle as "key=value" labels, and adds the bundle's path.
std::map<std::string, std::string> annotations_of(const nlohmann::json& state) {
  std::map<std::string, std::string> annotations;
  const nlohmann::json::json_pointer at("/config/labels");
  if (!state.contains(at) || !state[at].is_array()) return annotations;
  for (const nlohmann::json& label : state[at]) {
    const auto* text = label.get_ptr<const std::string*>();
    const size_t equals = text ? text->find('=') : std::string::npos;
    if (equals != std::string::npos)
      annotations.emplace(text->substr(0, equals), text->substr(equals + 1));
  }
  return annotations;
}

bool belongs_to(const nlohmann::json& state, std::string_view cgroup) {
  if (is_cgroup_path(text_at(state, "/config/cgroups/path"), cgroup)) return true;
  const nlohmann::json::json_pointer at("/cgroup_paths");
  const auto paths =
      state.contains(at) ? texts_of(state[at]) : std::map<std::string, std::string>();
  return std::ranges::any_of(paths,
                             [&](const auto& path) { return is_cgroup_path(path.second, cgroup); });
}

absl::StatusOr<Workspace> read_container(const fs::path& directory, std::string_view cgroup) {
  absl::StatusOr<nlohmann::json> state = read_json(directory / "state.json");
  std::error_code error;
  if (absl::IsNotFound(state.status()) && fs::is_directory(directory, error) &&
      directory.filename() == workspace_id(cgroup)) {
    return absl::UnavailableError(fmt::format("{} has no state yet", directory.string()));
  }
  if (!state.ok()) return state.status();
  if (!belongs_to(*state, cgroup))
    return absl::NotFoundError(fmt::format("{} is another", directory.string()));
  Workspace workspace;
  workspace.id = workspace.container_id = text_at(*state, "/id");
  workspace.rootfs = text_at(*state, "/config/rootfs");
  workspace.runtime = "runc";
  workspace.init_pid = state->value("init_process_pid", 0u);
  if (workspace.id.empty() || workspace.rootfs.empty()) {
    return absl::DataLossError(
        fmt::format("{}/state.json has no id or no rootfs", directory.string()));
  }
  const std::map<std::string, std::string> annotations = annotations_of(*state);
  apply_annotations(workspace, annotations);
  apply_runc_state(workspace, *state);
  // The state leaves out what the program runs as.
  const auto bundle = annotations.find("bundle");
  if (bundle == annotations.end()) return workspace;
  if (const auto config = read_json(fs::path(bundle->second) / "config.json"); config.ok())
    workspace.posture = posture_of(*config, is_host_namespace);
  return workspace;
}

}  // namespace

absl::StatusOr<Workspace> RuncResolver::resolve(const CgroupRef& cgroup) {
  absl::Status last = absl::NotFoundError("no root of runc is configured");
  for (const fs::path& root : roots_) {
    absl::StatusOr<Workspace> found = find_container(
        root, cgroup.path,
        [&](const fs::path& directory) { return read_container(directory, cgroup.path); });
    if (found.ok() || !absl::IsNotFound(found.status())) return found;
    last = found.status();
  }
  return last;
}

}  // namespace picket
