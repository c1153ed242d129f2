// Containers of containerd, by the bundle that its shims keep for each:
// ROOT/NAMESPACE/ID/config.json. Identity thread. Errors: as Resolver says; a bundle without its
// configuration yet is Unavailable.
#pragma once

#include <filesystem>
#include <vector>

#include "agent/enrich/resolver.h"

namespace picket {

class ContainerdResolver final : public Resolver {
 public:
  explicit ContainerdResolver(std::vector<std::filesystem::path> roots)
      : roots_(std::move(roots)) {}
  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override;

 private:
  std::vector<std::filesystem::path> roots_;
};

}  // namespace picket
