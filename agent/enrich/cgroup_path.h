// From a cgroup's id to its path, and where cgroup v2 is mounted. Identity thread and start-up.
// Errors: NotFound names the id and where it was looked for.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace picket {

// The mount point of cgroup v2 (pure or hybrid), from PROC_ROOT/self/mountinfo.
absl::StatusOr<std::string> find_cgroup2(const std::string& proc_root = "/proc");

// The path from the cgroup root, "/" first. An id is the inode number of the cgroup's directory.
absl::StatusOr<std::string> cgroup_path(const std::string& cgroup_root, uint64_t id);

}  // namespace picket
