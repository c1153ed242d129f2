#include "tests/bench/harness/process_cost.h"

#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace picket::bench {

absl::StatusOr<double> cpu_seconds(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    return absl::NotFoundError(fmt::format("read the CPU clock of process {}", pid));
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

absl::StatusOr<Memory> memory(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  Memory memory;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    double kib = 0;
    if (!(words >> key >> kib)) continue;
    if (key == "Rss:") memory.rss_mib = kib / 1024;
    if (key == "Pss:") memory.pss_mib = kib / 1024;
  }
  if (memory.pss_mib == 0) {
    return absl::NotFoundError(fmt::format("read the memory of process {}", pid));
  }
  return memory;
}

}  // namespace picket::bench
