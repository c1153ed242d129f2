// What somebody with root on the node could do to an agent, done to the agent of a test and to no
// other process: system calls from inside, by ptrace. The test's thread. Errors: a Status that says
// which step failed.
#pragma once

#include <sys/types.h>

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket::test {

struct SystemCall {
  long number = 0;
  std::array<unsigned long, 6> arguments = {};
};

// What each of these calls gives the thread when it makes it: a result, or an error below 0. It
// goes on afterwards as if nothing had been.
absl::StatusOr<std::vector<long>> calls_inside(pid_t thread, std::span<const SystemCall> calls);

// Detaches every program of this name (its first 15 characters) that process `pid` has attached: it
// closes the descriptors with which the process holds them.
absl::Status detach_program(pid_t pid, std::string_view name);

}  // namespace picket::test
