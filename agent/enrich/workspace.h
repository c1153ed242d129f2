// A watched container: who it is, resolved from its cgroup path and the runtime's state. Owned by
// the WorkspaceTable (pipeline thread); resolvers hand over values. No identity is ever silently
// empty: `id`, `name` and `image` are set, or resolution failed and an identity finding says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace picket {

struct Workspace {
  uint64_t cgroup_id = 0;
  std::string id;                             // the OCI id, else the cgroup's last path component
  std::string name;                           // container name annotation, else the id
  std::string container_id;                   // the OCI id as the runtime knows it
  std::string image;                          // annotation, else the root file system's path
  std::string image_source;                   // "annotation", "rootfs" or "none"
  std::string cgroup;                         // path from the cgroup v2 root
  std::string runtime;                        // "runc", "containerd", "unknown"
  std::string rootfs;                         // on the host
  std::map<std::string, std::string> labels;  // annotations and labels of the container
  uint32_t init_pid = 0;                      // 0: unknown
  bool resolved = false;
  bool frozen = false;
};

}  // namespace picket
