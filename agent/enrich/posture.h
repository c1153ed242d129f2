// What an OCI configuration says of how a container is set apart from the node. Pure but for the
// one question that is passed in. Identity thread. Nothing fails: what has an unexpected form
// counts as not said.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "agent/enrich/workspace.h"

namespace picket {

// Whether the namespace at `path` is the node's own of that kind ("net", "pid").
using IsHostNamespace = std::function<bool(const std::string& path, std::string_view kind)>;

Posture posture_of(const nlohmann::json& config, const IsHostNamespace& is_host);

// By the files of /proc: the node's first process is number 1 there.
bool is_host_namespace(const std::string& path, std::string_view kind);

// The words of workspace.posture: privileged, host_pid, host_network, host_mount, root_user,
// no_seccomp, added_capabilities.
template <class Visit>
void for_each_weakness(const Workspace& workspace, Visit visit) {
  if (!workspace.posture) return;
  const Posture& posture = *workspace.posture;
  if (workspace.privileged.value_or(false)) visit(std::string_view("privileged"));
  if (posture.host_pid) visit(std::string_view("host_pid"));
  if (posture.host_network) visit(std::string_view("host_network"));
  if (!posture.host_mounts.empty()) visit(std::string_view("host_mount"));
  if (posture.root) visit(std::string_view("root_user"));
  if (posture.no_seccomp) visit(std::string_view("no_seccomp"));
  if (!posture.added_capabilities.empty()) visit(std::string_view("added_capabilities"));
}

}  // namespace picket
