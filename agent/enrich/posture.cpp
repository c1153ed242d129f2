#include "agent/enrich/posture.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "agent/enrich/state_file.h"

namespace picket {
namespace {

using nlohmann::json;

constexpr size_t kListMax = 64;

const json* at(const json& object, const char* pointer) {
  const json::json_pointer where(pointer);
  return object.contains(where) ? &object.at(where) : nullptr;
}

// What Docker and containerd grant to a container that asks for nothing.
constexpr auto kDefault = std::to_array<std::string_view>(
    {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW",
     "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
     "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"});

// Volumes and files that runtimes themselves keep for a container, wherever their root was moved.
// Not the folders themselves: who mounts those has everybody's.
constexpr auto kOfRuntimes = std::to_array<std::string_view>(
    {"/kubelet/pods/", "/docker/containers/", "/docker/volumes/", "/containers/storage/",
     "/io.containerd.grpc.v1.cri/", "/io.containerd.runtime.v2.task/", "/run/netns/"});

void add_capabilities(const json* bounding, Posture& posture) {
  if (bounding == nullptr || !bounding->is_array()) return;
  for (const json& word : *bounding) {
    const auto* name = word.get_ptr<const std::string*>();
    if (name == nullptr || std::ranges::find(kDefault, *name) != kDefault.end()) continue;
    if (posture.added_capabilities.size() < kListMax) posture.added_capabilities.push_back(*name);
  }
}

bool is_bind(const json& mount) {
  if (text_at(mount, "/type") == "bind") return true;
  const json* options = at(mount, "/options");
  return options != nullptr && options->is_array() &&
         std::ranges::any_of(*options,
                             [](const json& word) { return word == "bind" || word == "rbind"; });
}

void add_host_mounts(const json* mounts, Posture& posture) {
  if (mounts == nullptr || !mounts->is_array()) return;
  for (const json& mount : *mounts) {
    if (!mount.is_object() || !is_bind(mount)) continue;
    const std::string source =
        std::filesystem::path(text_at(mount, "/source")).lexically_normal().string();
    const bool of_runtime = std::ranges::any_of(
        kOfRuntimes, [&](std::string_view folder) { return source.find(folder) != source.npos; });
    if (source.empty() || of_runtime || posture.host_mounts.size() >= kListMax) continue;
    posture.host_mounts.push_back(source);
  }
}

// One that is not listed is the node's; one with a path is whose that is.
bool shares(const json* namespaces, const char* type, std::string_view kind,
            const IsHostNamespace& is_host) {
  if (namespaces == nullptr || !namespaces->is_array()) return true;
  for (const json& one : *namespaces) {
    if (!one.is_object() || text_at(one, "/type") != type) continue;
    const std::string path = text_at(one, "/path");
    return !path.empty() && is_host(path, kind);
  }
  return true;
}

// User 0 of a user namespace of its own is somebody else on the node, unless it is mapped to 0.
bool is_root(const json& config) {
  const json* uid = at(config, "/process/user/uid");
  if (uid != nullptr && uid->is_number_unsigned() && uid->get<uint64_t>() != 0) return false;
  const json* mappings = at(config, "/linux/uidMappings");
  if (mappings == nullptr || !mappings->is_array() || mappings->empty()) return true;
  return std::ranges::any_of(*mappings, [](const json& mapping) {
    return mapping.is_object() && mapping.contains("containerID") && mapping.contains("hostID") &&
           mapping["containerID"] == 0 && mapping["hostID"] == 0;
  });
}

bool filters_calls(const json* seccomp) {
  if (seccomp == nullptr || !seccomp->is_object()) return false;
  const json* rules = at(*seccomp, "/syscalls");
  return text_at(*seccomp, "/defaultAction") != "SCMP_ACT_ALLOW" ||
         (rules != nullptr && rules->is_array() && !rules->empty());
}

}  // namespace

Posture posture_of(const json& config, const IsHostNamespace& is_host) {
  Posture posture;
  const json* namespaces = at(config, "/linux/namespaces");
  posture.host_pid = shares(namespaces, "pid", "pid", is_host);
  posture.host_network = shares(namespaces, "network", "net", is_host);
  posture.root = is_root(config);
  posture.no_seccomp = !filters_calls(at(config, "/linux/seccomp"));
  add_capabilities(at(config, "/process/capabilities/bounding"), posture);
  add_host_mounts(at(config, "/mounts"), posture);
  return posture;
}

// As a path of the node: the agent may have a mount namespace of its own.
bool is_host_namespace(const std::string& path, std::string_view kind) {
  struct stat its {
  }, hosts{};
  const std::string host = "/proc/1/ns/" + std::string(kind);
  if (::stat(host.c_str(), &hosts) != 0) return false;
  if (::stat(path.c_str(), &its) != 0 && ::stat(("/proc/1/root" + path).c_str(), &its) != 0)
    return false;
  return its.st_dev == hosts.st_dev && its.st_ino == hosts.st_ino;
}

}  // namespace picket
