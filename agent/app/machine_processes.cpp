#include "agent/app/machine_processes.h"

#include <fmt/format.h>

#include "agent/enrich/small_file.h"

namespace picket {
namespace {

constexpr size_t kEnvironmentMax = 256 << 10;

pk_process_key kernel_key(ProcessKey key) {
  return {.start_ns = key.start_ns, .pid = key.pid, .zero = 0};
}

}  // namespace

uint64_t MachineProcesses::write(ProcessKey key, const pk_lineage& lineage) {
  sensor_.set_lineage(kernel_key(key), lineage);
  return clock_.boot_ns();
}

std::optional<pk_lineage> MachineProcesses::read(ProcessKey key) {
  return sensor_.lineage(kernel_key(key));
}

std::string MachineProcesses::environment(ProcessKey key) {
  auto text = read_small_file(fmt::format("/proc/{}/environ", key.pid), kEnvironmentMax);
  return text.ok() ? *std::move(text) : std::string();
}

}  // namespace picket
