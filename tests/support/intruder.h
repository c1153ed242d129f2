// What somebody with root on the node could do to an agent, done to the agent of a test and to no
// other process: it closes a descriptor of the agent's from inside, by ptrace, and with it goes the
// kernel's last hold of a program. The test's thread. Errors: a Status that says which step failed.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "absl/status/status.h"

namespace picket::test {

// Detaches every program of this name (its first 15 characters) that process `pid` has attached.
absl::Status detach_program(pid_t pid, std::string_view name);

}  // namespace picket::test
