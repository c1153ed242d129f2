// The last resort: who a workspace is by its cgroup's name and the root file system that its
// processes see. Identity thread. Errors: Unavailable while only the runtime's own processes are in
// the cgroup; NotFound when it is empty or gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/enrich/resolver.h"

namespace picket {

class CgroupResolver final : public Resolver {
 public:
  // `namespace_root`: see path_from_root().
  explicit CgroupResolver(std::string cgroup_root, std::string namespace_root = {},
                          std::string proc_root = "/proc")
      : cgroup_root_(std::move(cgroup_root)),
        namespace_root_(std::move(namespace_root)),
        proc_root_(std::move(proc_root)) {}
  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override;

 private:
  std::vector<uint32_t> processes_of(const CgroupRef& cgroup) const;
  bool is_inside(uint32_t pid, const std::string& cgroup) const;
  bool is_runtime(uint32_t pid) const;
  bool is_init(uint32_t pid) const;

  std::string cgroup_root_, namespace_root_;
  std::string proc_root_;
};

}  // namespace picket
