// Proof that a cgroup or LSM program only looks: no path through it returns anything but "allow",
// or what it was given. Asked before such a program is attached to the root of the cgroup tree or
// to the kernel, where a wrong return value would cut off the whole machine. Pure functions, any
// thread. Errors: the answer names the instruction that breaks the proof.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace picket {

// `program` starts with the main function; functions that it calls may follow. Sufficient, not
// necessary: accepted is only "r0 = 1; exit" at every exit that the main function can reach, with
// no jump that enters between the two.
absl::Status proves_observe_only(std::span<const bpf_insn> program);

// The same of an LSM program, which gives back the value behind its `arguments`. Accepted is only
// one form, which has no path but one: keep the context, call the function that looks, "r0 = the
// value; exit".
absl::Status proves_given_return(std::span<const bpf_insn> program, size_t arguments);

}  // namespace picket
