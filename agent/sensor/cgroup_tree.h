// The cgroup v2 tree as the sensor needs it: where it is mounted, which id a directory has, what
// lies below. Used by the thread that starts the sensor and by the pipeline thread. Stateless apart
// from the path. Errors: a missing or pure v1 hierarchy is said in words; a directory that vanishes
// during a scan is skipped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace picket {

struct CgroupDirectory {
  uint64_t id = 0;
  uint64_t parent_id = 0;
  uint32_t level = 0;
  std::string name;  // last component
  std::string path;  // from the root of the tree, "/a/b"
};

class CgroupTree {
 public:
  explicit CgroupTree(std::filesystem::path mount) : mount_(std::move(mount)) {}

  // `mounts` has the form of /proc/self/mounts. Hybrid machines have v1 and v2 mounted side by
  // side.
  static absl::StatusOr<CgroupTree> find(std::string_view mounts);

  const std::filesystem::path& mount() const { return mount_; }
  std::filesystem::path directory(std::string_view path) const;  // of a path from the tree's root

  absl::StatusOr<uint64_t> id(std::string_view path) const;
  bool populated(std::string_view path) const;
  bool holds_process(std::string_view path, uint32_t pid) const;  // in the directory itself

  std::string holder_of(uint32_t pid) const;  // the path that holds it; empty: none below the root

  // Calls `visit` for every directory below the root, parents before their children.
  void walk(const std::function<void(const CgroupDirectory&)>& visit) const;

 private:
  std::filesystem::path mount_;
};

// "0::/path" of /proc/PID/cgroup; empty when there is no v2 line.
std::string unified_path(std::string_view proc_cgroup);

}  // namespace picket
