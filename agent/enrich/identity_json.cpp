#include "agent/enrich/identity_json.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace picket {
namespace {

using nlohmann::ordered_json;

ordered_json pod_to_json(const Pod& pod) {
  return {{"name", pod.name},
          {"namespace", pod.ns},
          {"uid", pod.uid},
          {"labels", pod.labels},
          {"annotations", pod.annotations}};
}

Pod pod_from_json(const ordered_json& object) {
  return {.name = object.value("name", ""),
          .ns = object.value("namespace", ""),
          .uid = object.value("uid", ""),
          .labels = object.value("labels", Labels()),
          .annotations = object.value("annotations", Labels())};
}

ordered_json mounts_to_json(const std::vector<Mount>& mounts) {
  ordered_json list = ordered_json::array();
  for (const Mount& mount : mounts) {
    list.push_back({{"source", mount.source},
                    {"destination", mount.destination},
                    {"mode", mount.mode},
                    {"writable", mount.writable},
                    {"propagation", mount.propagation}});
  }
  return list;
}

std::vector<Mount> mounts_from_json(const ordered_json& list) {
  std::vector<Mount> mounts;
  for (const ordered_json& object : list) {
    mounts.push_back({.source = object.value("source", ""),
                      .destination = object.value("destination", ""),
                      .mode = object.value("mode", ""),
                      .writable = object.value("writable", true),
                      .propagation = object.value("propagation", "")});
  }
  return mounts;
}

ordered_json posture_to_json(const Posture& posture) {
  return {{"host_pid", posture.host_pid},
          {"host_network", posture.host_network},
          {"root", posture.root},
          {"no_seccomp", posture.no_seccomp},
          {"added_capabilities", posture.added_capabilities},
          {"host_mounts", posture.host_mounts}};
}

Posture posture_from_json(const ordered_json& object) {
  using Texts = std::vector<std::string>;
  return {.host_pid = object.value("host_pid", false),
          .host_network = object.value("host_network", false),
          .root = object.value("root", false),
          .no_seccomp = object.value("no_seccomp", false),
          .added_capabilities = object.value("added_capabilities", Texts()),
          .host_mounts = object.value("host_mounts", Texts())};
}

// Ids are keys, and keys are texts.
ordered_json names_to_json(const Names& names) {
  ordered_json object = ordered_json::object();
  for (const auto& [id, name] : names) object[std::to_string(id)] = name;
  return object;
}

Names names_from_json(const ordered_json& object) {
  Names names;
  for (const auto& [key, name] : object.items()) {
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error == std::errc() && end == key.data() + key.size()) names[id] = name.get<std::string>();
  }
  return names;
}

ordered_json workspace_to_json(const Workspace& workspace) {
  ordered_json object{{"id", workspace.id},
                      {"name", workspace.name},
                      {"container_id", workspace.container_id},
                      {"image", workspace.image},
                      {"image_source", workspace.image_source},
                      {"cgroup", workspace.cgroup},
                      {"runtime", workspace.runtime},
                      {"rootfs", workspace.rootfs},
                      {"init_pid", workspace.init_pid},
                      {"labels", workspace.labels},
                      {"image_digest", workspace.image_digest},
                      {"pod", pod_to_json(workspace.pod)},
                      {"owner", workspace.owner},
                      {"template", workspace.template_name},
                      {"repository", workspace.repository},
                      {"pull_request", workspace.pull_request},
                      {"profile", workspace.profile},
                      {"incomplete", workspace.incomplete},
                      {"mounts", mounts_to_json(workspace.mounts)},
                      {"users", names_to_json(workspace.users)},
                      {"groups", names_to_json(workspace.groups)}};
  if (workspace.privileged.has_value()) object["privileged"] = *workspace.privileged;
  if (workspace.posture) object["posture"] = posture_to_json(*workspace.posture);
  return object;
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
  workspace.labels = object.value("labels", Labels());
  workspace.image_digest = object.value("image_digest", "");
  if (object.contains("pod")) workspace.pod = pod_from_json(object.at("pod"));
  workspace.owner = object.value("owner", "");
  workspace.template_name = object.value("template", "");
  workspace.repository = object.value("repository", "");
  workspace.pull_request = object.value("pull_request", "");
  workspace.profile = object.value("profile", "");
  workspace.incomplete = object.value("incomplete", "");
  if (object.contains("privileged")) workspace.privileged = object.at("privileged").get<bool>();
  if (object.contains("posture")) workspace.posture = posture_from_json(object.at("posture"));
  if (object.contains("mounts")) workspace.mounts = mounts_from_json(object.at("mounts"));
  if (object.contains("users")) workspace.users = names_from_json(object.at("users"));
  if (object.contains("groups")) workspace.groups = names_from_json(object.at("groups"));
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
