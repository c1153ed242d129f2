// Which workspaces are watched, for the guard on the responder thread. The pipeline writes, anyone
// may read. Nothing fails.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "agent/enrich/workspace.h"

namespace picket {

class WatchedRegistry {
 public:
  void set(const Workspace& workspace, bool watched) {
    const std::lock_guard lock(mutex_);
    if (watched) {
      by_cgroup_.insert_or_assign(workspace.cgroup_id, workspace);
    } else {
      by_cgroup_.erase(workspace.cgroup_id);
    }
  }
  std::optional<Workspace> find(uint64_t cgroup_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_cgroup_.find(cgroup_id);
    return found == by_cgroup_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, Workspace> by_cgroup_;
};

}  // namespace picket
