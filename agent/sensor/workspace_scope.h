// The kernel's list of watched cgroups as user space writes it: the scan at start, roots,
// exclusions, single additions. Owner: BpfSensor, pipeline thread after start. Errors: a cgroup
// that vanishes meanwhile is skipped; a full map is said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/sensor/cgroup_tree.h"

namespace picket {

struct ScopeMaps {
  int cgroups = -1;
  int roots = -1;
  int labels = -1;
};

using Record = std::vector<std::byte>;

class WorkspaceScope {
 public:
  WorkspaceScope(CgroupTree tree, ScopeMaps maps) : tree_(std::move(tree)), maps_(maps) {}

  // Every cgroup directly below `path` becomes a workspace. NotFound: it does not exist (yet).
  absl::Status add_root(const std::string& path);
  absl::Status exclude(const std::string& path);
  // The cgroup that holds this process, by search: in a private cgroup namespace its path is not
  // told.
  void exclude_holder_of(uint32_t pid);

  // Enters what exists already. Returns a PK_CGROUP_MKDIR record for each cgroup that the kernel
  // has not told of itself.
  std::vector<Record> scan(uint64_t now_ns);

  // With what exists below it. Empty: it was watched before.
  absl::StatusOr<std::vector<Record>> watch(uint64_t cgroup_id, uint64_t now_ns);
  void unwatch(uint64_t cgroup_id);

  const CgroupTree& tree() const { return tree_; }

 private:
  bool enter(const CgroupDirectory& found);

  CgroupTree tree_;
  ScopeMaps maps_;
};

}  // namespace picket
