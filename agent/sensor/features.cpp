#include "agent/sensor/features.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <system_error>

namespace picket {
namespace {

// Inodes of the initial namespaces, fixed by the kernel.
constexpr std::string_view kInitialPidNamespace = "pid:[4026531836]";
constexpr std::string_view kInitialCgroupNamespace = "cgroup:[4026531835]";

constexpr std::array<std::string_view, 3> kTestedSeries{"6.1", "6.12", "6.18"};

bool has(uint64_t mask, int capability) { return mask >> capability & 1; }

std::string namespace_link(const Machine& machine, const char* kind) {
  std::error_code error;
  return std::filesystem::read_symlink(machine.proc / "self/ns" / kind, error).string();
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

bool is_tested_kernel(std::string_view release) {
  return std::ranges::any_of(kTestedSeries, [&](std::string_view series) {
    if (!release.starts_with(series)) return false;
    const std::string_view rest = release.substr(series.size());
    return rest.empty() || rest.front() < '0' || rest.front() > '9';  // 6.1 is not 6.12
  });
}

absl::StatusOr<std::string> read_text(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return absl::NotFoundError(fmt::format("cannot read {}", file.string()));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

absl::StatusOr<uint64_t> effective_capabilities(const Machine& machine) {
  absl::StatusOr<std::string> status = read_text(machine.proc / "self/status");
  if (!status.ok()) return status.status();
  constexpr std::string_view kKey = "CapEff:\t";
  const size_t at = status->find(kKey);
  if (at == std::string::npos)
    return absl::FailedPreconditionError("/proc/self/status names no capabilities");
  return std::strtoull(status->c_str() + at + kKey.size(), nullptr, 16);
}

std::string missing_capabilities(uint64_t effective) {
  if (has(effective, CAP_SYS_ADMIN)) return {};
  std::string missing;
  const auto need = [&](int capability, const char* name) {
    if (!has(effective, capability)) missing += missing.empty() ? name : std::string(", ") + name;
  };
  need(CAP_BPF, "CAP_BPF");
  need(CAP_PERFMON, "CAP_PERFMON");
  need(CAP_NET_ADMIN, "CAP_NET_ADMIN");
  return missing;
}

absl::Status check_requirements(const Machine& machine) {
  std::error_code error;
  if (!std::filesystem::exists(machine.sys / "kernel/btf/vmlinux", error))
    return absl::FailedPreconditionError(
        "this kernel publishes no type information (/sys/kernel/btf/vmlinux is missing): it must "
        "be built with "
        "CONFIG_DEBUG_INFO_BTF");
  absl::StatusOr<uint64_t> effective = effective_capabilities(machine);
  if (!effective.ok()) return effective.status();
  if (const std::string missing = missing_capabilities(*effective); !missing.empty())
    return absl::PermissionDeniedError(
        fmt::format("the sensor needs {}: run as root, or grant them", missing));
  if (namespace_link(machine, "pid") != kInitialPidNamespace)
    return absl::FailedPreconditionError(
        "the agent runs in a pid namespace of its own and would see no other process: use the "
        "host's (hostPID)");
  return absl::OkStatus();
}

bool in_private_cgroup_namespace(const Machine& machine) {
  return namespace_link(machine, "cgroup") != kInitialCgroupNamespace;
}

std::string cgroup_namespace_root(const CgroupTree& tree, const Machine& machine) {
  if (!in_private_cgroup_namespace(machine)) return {};
  const auto text = read_text(machine.proc / "self/cgroup");
  std::string own = text.ok() ? unified_path(*text) : "/";
  if (own == "/") own.clear();
  std::string root = tree.holder_of(static_cast<uint32_t>(getpid()));
  if (root.ends_with(own)) root.resize(root.size() - own.size());
  return root;
}

}  // namespace picket
