// The seccomp profile of the agent's own container, deploy/seccomp/picketd.json, which the program
// carries so that the two always fit. Any thread. Errors: what could not be written, and why.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"

namespace picket {

// FOLDER/picketd-VERSION.json, whole or not at all; returns its name.
absl::StatusOr<std::filesystem::path> write_seccomp_profile(const std::filesystem::path& folder);

}  // namespace picket
