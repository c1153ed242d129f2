// A watched container: who it is, resolved from its cgroup path and the runtime's state. Owned by
// the WorkspaceTable (pipeline thread); resolvers hand over values. No identity is ever silently
// empty: `id`, `name` and `image` are set, or resolution failed and an identity finding says so;
// what of the rest could not be asked for stands in `incomplete`, and such a finding says it as
// well.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace picket {

using Labels = std::map<std::string, std::string>;
using Names = std::map<uint32_t, std::string>;  // of users or groups, by id

// What the runtime mounted into a container, as its configuration says.
struct Mount {
  std::string source, destination;
  std::string mode;  // its options, joined by commas
  bool writable = true;
  std::string propagation;
};

// The Kubernetes pod that a container belongs to; without a name there is none.
struct Pod {
  std::string name;
  std::string ns;  // its namespace
  std::string uid;
  Labels labels;
  Labels annotations;
};

// How little the runtime's configuration sets a container apart from the node.
struct Posture {
  bool host_pid = false, host_network = false;  // the node's own namespaces
  bool root = false;                            // its first program runs as the node's user 0
  bool no_seccomp = false;                      // every system call is open to it
  std::vector<std::string> added_capabilities;  // beyond what runtimes grant by default
  std::vector<std::string> host_mounts;  // what of the node is mounted, runtimes' own folders aside
};

struct Workspace {
  uint64_t cgroup_id = 0;
  std::string id;            // the OCI id, else the cgroup's last path component
  std::string name;          // container name annotation, else the id
  std::string container_id;  // the OCI id as the runtime knows it
  std::string image;         // annotation, else the root file system's path
  std::string image_digest;  // "sha256:..."; empty: nobody told it
  std::string image_source;  // "annotation", "rootfs" or "none"
  std::string cgroup;        // path from the cgroup v2 root
  std::string runtime;       // "runc", "containerd", "unknown"
  std::string rootfs;        // on the host
  Labels labels;             // annotations and labels of the container
  Pod pod;
  std::optional<bool> privileged;  // every capability, nothing hidden; empty: nobody told
  std::vector<Mount> mounts;
  std::optional<Posture> posture;  // empty: nobody told
  Names users, groups;             // of the container's own files when it was resolved
  // From the labels and annotations that the configuration names; empty: none of them is set.
  std::string owner;
  std::string template_name;
  std::string repository;
  std::string pull_request;
  std::string profile;     // how far it is trusted, by the labels that select one; empty: none
  std::string incomplete;  // what could not be asked for, and why; empty: all is known
  uint32_t init_pid = 0;   // 0: unknown
  bool resolved = false;
  bool frozen = false;
};

}  // namespace picket
