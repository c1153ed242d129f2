// Containers of Podman and CRI-O, by the OCI configuration and the list that containers/storage
// keeps: ROOT/overlay-containers/ID/userdata/config.json and
// ROOT/overlay-containers/containers.json. Identity thread. Errors: as Resolver says.
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "agent/enrich/resolver.h"

namespace picket {

class StorageResolver final : public Resolver {
 public:
  explicit StorageResolver(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}
  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override;

 private:
  std::vector<std::filesystem::path> roots_;
};

}  // namespace picket
