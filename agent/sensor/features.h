// What this machine offers, asked before anything is loaded, so that a refusal is a sentence and
// not an errno. Stateless; used by the thread that starts the sensor. Which hooks the kernel
// accepts is not asked here but tried (probes.h): neither version nor configuration tells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sensor/cgroup_tree.h"

namespace picket {

struct Machine {  // every door to the system is an argument
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

std::string kernel_release();

// Whether the tests of Picket run on this series ("6.12"): docs/coverage.md. Nothing is decided by
// it: the hooks of another kernel are tried one by one as well.
bool is_tested_kernel(std::string_view release);

// The whole text of a small file; proc files have no size.
absl::StatusOr<std::string> read_text(const std::filesystem::path& file);

// BTF, the capabilities, the initial pid namespace: what the sensor cannot work without.
absl::Status check_requirements(const Machine& machine);

// This process's, as the mask of /proc/self/status.
absl::StatusOr<uint64_t> effective_capabilities(const Machine& machine);

// The capabilities that are missing from the hexadecimal mask of /proc/self/status, by name; empty:
// enough.
std::string missing_capabilities(uint64_t effective);

// True when the agent's cgroup paths are relative to its own container, not to the machine.
bool in_private_cgroup_namespace(const Machine& machine);

// Where the paths of /proc/PID/cgroup begin, from the root of `tree`: the cgroup in which this
// process's cgroup namespace was made. Empty: the root.
std::string cgroup_namespace_root(const CgroupTree& tree, const Machine& machine);

}  // namespace picket
