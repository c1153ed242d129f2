// Kills one process and everything that descends from it, and nothing else: again and again until
// the agent's table and the workspace's cgroup agree that nothing of it lives. Those that fork
// faster than that are frozen meanwhile, with their workspace, for some milliseconds; only an agent
// that dies then leaves it frozen. Owner: the responder thread. Errors: the guard's refusal of the
// process itself, or that something of the subtree may still live; descendants that have ended are
// no error.
#pragma once

#include <chrono>
#include <functional>

#include "absl/status/statusor.h"
#include "agent/respond/family.h"
#include "agent/respond/guard.h"

namespace picket {

struct KillCount {
  size_t processes = 0;
  bool had_ended = false;  // the process itself was gone before
};

struct KillSurroundings {
  const CgroupFs& cgroups;
  const Guard& guard;
  const AskFamily& family;  // empty: only what /proc says is known
  // Runs right after the first SIGKILL was delivered: what latency is measured by. May be empty.
  std::function<void()> on_first_signal;
  std::chrono::milliseconds deadline{5000};
};

absl::StatusOr<KillCount> kill_subtree(const Verdict& verdict,
                                       const KillSurroundings& surroundings);

}  // namespace picket
