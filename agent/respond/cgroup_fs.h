// The only door of responses to cgroups and /proc: two roots, so that tests can stand in for both.
// Stateless; the responder thread. Errors: a Status with the file and the kernel's reason. Facts:
// cgroup-v2.rst of the kernel documentation (cgroup.freeze, cgroup.kill, cgroup.events) and
// cgroup-v1/freezer-subsystem.rst.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

// What /proc/PID/stat says.
struct ProcStat {
  char state = '?';
  uint32_t parent = 0;
  uint64_t start_ticks = 0;  // since boot, in 1/sysconf(_SC_CLK_TCK) s
};

class CgroupFs {
 public:
  // `v1_freezer`: mount of the v1 freezer hierarchy; empty when there is none. `namespace_root`:
  // see path_from_root().
  CgroupFs(std::filesystem::path v2_root, std::filesystem::path v1_freezer,
           std::string namespace_root = {}, std::filesystem::path proc = "/proc")
      : v2_(std::move(v2_root)),
        v1_freezer_(std::move(v1_freezer)),
        namespace_root_(std::move(namespace_root)),
        proc_(std::move(proc)) {}

  bool exists(const std::string& cgroup) const;
  uint64_t id(const std::string& cgroup) const;  // 0: it does not exist
  // Every process in `cgroup` and below it.
  std::vector<uint32_t> processes(const std::string& cgroup) const;

  // By whatever froze it, or a cgroup above it; false also when it does not exist.
  bool is_frozen(const std::string& cgroup) const;
  // Writes the wish and waits until the kernel confirms it. On a hierarchy without cgroup.freeze:
  // the v1 freezer. A thaw ends what the v1 freezer holds, too.
  absl::Status set_frozen(const std::string& cgroup, bool frozen,
                          std::chrono::milliseconds deadline) const;
  // SIGKILL to everything in `cgroup` and below it, forks included; waits until it is empty. What
  // the v1 freezer holds is thawed behind the signal: it would not end before.
  absl::Status kill_all(const std::string& cgroup, std::chrono::milliseconds deadline) const;

  std::optional<ProcStat> stat(uint32_t pid) const;
  std::vector<uint32_t> children(uint32_t pid) const;
  // Path of the process's cgroup from the v2 root.
  std::optional<std::string> cgroup_of(uint32_t pid) const;

 private:
  absl::Status write(const std::filesystem::path& file, const std::string& text) const;
  absl::Status wait_for(const std::filesystem::path& events, const std::string& line,
                        std::chrono::milliseconds deadline) const;
  absl::Status set_frozen_v1(const std::string& cgroup, bool frozen,
                             std::chrono::milliseconds deadline) const;
  absl::Status thaw_v1(const std::string& cgroup) const;
  std::filesystem::path v1(const std::string& cgroup) const;
  std::filesystem::path v2(const std::string& cgroup, const char* file) const;

  const std::filesystem::path v2_, v1_freezer_;
  const std::string namespace_root_;
  const std::filesystem::path proc_;
};

// Where this machine has them, from its mount table. Empty paths: not mounted.
struct CgroupMounts {
  std::filesystem::path v2, v1_freezer;
};
CgroupMounts cgroup_mounts(const std::filesystem::path& mounts = "/proc/self/mounts");

}  // namespace picket
