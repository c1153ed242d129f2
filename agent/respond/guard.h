// Asked before every action: refuses what Picket must never do. Owner: the responder thread.
// Errors: PermissionDenied or ResourceExhausted with the reason in words.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "agent/respond/cgroup_fs.h"
#include "agent/respond/verdict.h"
#include "common/clock.h"

namespace picket {

class Guard {
 public:
  // The workspace that is watched under this cgroup id, if any.
  using Watched = std::function<std::optional<Workspace>(uint64_t cgroup_id)>;

  Guard(const CgroupFs& cgroups, const Clock& clock, Watched watched, uint64_t max_per_minute,
        uint32_t own_pid);

  // May this be done at all? Counts towards the limit per minute: of rules, or of operators. What
  // rules use up is not taken from operators; a dry run uses nothing up.
  absl::Status admit(const Verdict& verdict);
  // May this process be signalled: it is the one that is meant, and lives in the verdict's
  // workspace.
  absl::Status admit_process(const Verdict& verdict, ProcessKey process) const;

 private:
  absl::Status admit_workspace(const Target& target) const;

  const CgroupFs& cgroups_;
  const Clock& clock_;
  const Watched watched_;
  const uint64_t max_per_minute_;
  const uint32_t own_pid_;
  const uint64_t ticks_per_second_;
  std::deque<uint64_t> recent_by_rules_ns_, recent_by_operators_ns_;
};

}  // namespace picket
