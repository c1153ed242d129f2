// From a cgroup's id to its path, and where cgroup v2 is mounted. Identity thread and start-up.
// Errors: NotFound names the id and where it was looked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace picket {

// The mount point of cgroup v2 (pure or hybrid), from PROC_ROOT/self/mountinfo.
absl::StatusOr<std::string> find_cgroup2(const std::string& proc_root = "/proc");

// The path from the cgroup root, "/" first. An id is the inode number of the cgroup's directory.
absl::StatusOr<std::string> cgroup_path(const std::string& cgroup_root, uint64_t id);

// The path from the cgroup root of one in /proc/PID/cgroup. That begins at `namespace_root`, where
// the reader's cgroup namespace was made, and leaves it by "/..". Empty: at the root.
std::string path_from_root(const std::string& namespace_root, std::string_view path);

}  // namespace picket
