// Kills one process and everything that descends from it, without letting a forking child escape,
// and nothing else. Owner: the responder thread. Errors: the guard's refusal of the process itself;
// descendants that have ended are no error.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/respond/guard.h"

namespace picket {

struct KillCount {
  size_t processes = 0;
  bool had_ended = false;  // the process itself was gone before
};

// `on_first_signal` runs right after the first SIGKILL was delivered: what latency is measured by.
// May be empty.
absl::StatusOr<KillCount> kill_subtree(const Verdict& verdict, const CgroupFs& cgroups,
                                       const Guard& guard,
                                       const std::function<void()>& on_first_signal);

}  // namespace picket
