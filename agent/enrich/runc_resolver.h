// Containers of runc, by the state file that it keeps for each: ROOT/ID/state.json. Identity
// thread. Errors: as Resolver says; a directory without a state file yet is Unavailable.
#pragma once

#include <filesystem>
#include <vector>

#include "agent/enrich/resolver.h"

namespace picket {

class RuncResolver final : public Resolver {
 public:
  explicit RuncResolver(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}
  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override;

 private:
  std::vector<std::filesystem::path> roots_;
};

}  // namespace picket
