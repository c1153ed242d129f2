// Every system call of the running kernel, and whether Picket looks at it: watched, ignored on
// purpose and why, or unknown to this build. Stateless; any thread. Errors: where neither kallsyms
// nor BTF can be read the list is of what this build knows.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sensor/coverage.h"
#include "agent/sensor/features.h"

namespace picket {

// The functions behind the calls, without their prefix: "openat", "newfstat", "chown16". Of two
// sources, because each leaves some out; what the kernel was built without is a weak symbol and no
// call. Sorted.
std::vector<std::string> system_call_functions(const Machine& machine);

// One row for each name by which programs know the calls behind `functions`, sorted by name.
// `lines`: which hooks there are; a call whose event no attached hook tells is not watched.
std::vector<SystemCall> system_calls(std::span<const std::string> functions,
                                     std::span<const CoverageLine> lines);

// The name by which programs know the call behind a function; empty: no program can call it here.
std::string_view call_name(std::string_view function);

}  // namespace picket
