// Proof that a cgroup program only looks: no path through it returns anything but "allow". Asked
// before such a program is attached to the root of the cgroup tree, where a wrong return value
// would cut off the whole machine. Pure functions, any thread. Errors: the answer names the
// instruction that breaks the proof.
#pragma once

#include <linux/bpf.h>

#include <span>

#include "absl/status/status.h"

namespace picket {

// `program` starts with the main function; functions that it calls may follow. Sufficient, not
// necessary: accepted is only "r0 = 1; exit" at every exit that the main function can reach, with
// no jump that enters between the two.
absl::Status proves_observe_only(std::span<const bpf_insn> program);

}  // namespace picket
