// Another program of this machine, run to its end for what it prints. Main's thread. Errors:
// NotFound when it cannot be started, DeadlineExceeded when it took too long and was killed; an
// exit code other than 0 is no error here.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace picket {

struct ProgramOutput {
  int exit_code = 0;     // 128 + N when signal N ended it
  std::string out, err;  // each at most kProgramOutput bytes; the rest is dropped
};

inline constexpr size_t kProgramOutput = 16 << 20;

absl::StatusOr<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                          std::chrono::milliseconds patience);

}  // namespace picket
