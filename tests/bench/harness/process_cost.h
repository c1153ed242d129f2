// What a running program has cost so far, read from the kernel. Any thread.
// Errors: a Status that names the process, which may have ended.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace picket::bench {

struct Memory {
  double rss_mib = 0, pss_mib = 0;
};

absl::StatusOr<double> cpu_seconds(pid_t pid);  // of all its threads, ended ones included
absl::StatusOr<Memory> memory(pid_t pid);

}  // namespace picket::bench
