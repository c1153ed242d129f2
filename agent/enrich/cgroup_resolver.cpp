#include "agent/enrich/cgroup_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/cgroup_path.h"
#include "agent/enrich/mount_info.h"
#include "agent/enrich/small_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxProcesses = 64;  // looked at; the rest says the same

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

absl::StatusOr<Workspace> CgroupResolver::resolve(const CgroupRef& cgroup) {
  bool starting = false;
  std::string rootfs;
  uint32_t init_pid = 0;
  for (const uint32_t pid : processes_of(cgroup)) {
    if (!is_inside(pid, cgroup.path)) continue;
    if (is_runtime(pid)) {
      starting = true;
      continue;
    }
    if (rootfs.empty()) {
      const auto container = read_mount_info(fmt::format("{}/{}/mountinfo", proc_root_, pid));
      const auto host = read_mount_info(proc_root_ + "/self/mountinfo");
      if (container.ok() && host.ok()) rootfs = host_path_of_root(*container, *host);
    }
    if (init_pid == 0 && is_init(pid)) init_pid = pid;
  }
  if (rootfs.empty() && starting) {
    return absl::UnavailableError(
        fmt::format("cgroup {} has only its runtime's processes", cgroup.path));
  }
  if (rootfs.empty()) {
    return absl::NotFoundError(
        fmt::format("cgroup {} has no process that shows its root file system", cgroup.path));
  }
  Workspace workspace;
  workspace.id = workspace_id(cgroup.path);
  if (workspace.id.empty()) workspace.id = fmt::format("cgroup-{}", cgroup.id);
  if (is_container_id(workspace.id)) workspace.container_id = workspace.id;
  workspace.rootfs = rootfs;
  workspace.runtime = "unknown";
  workspace.init_pid = init_pid;
  apply_annotations(workspace, {});
  return workspace;
}

std::vector<uint32_t> CgroupResolver::processes_of(const CgroupRef& cgroup) const {
  std::vector<uint32_t> pids;
  if (cgroup.pid != 0) pids.push_back(cgroup.pid);
  const auto text = read_small_file(cgroup_root_ + cgroup.path + "/cgroup.procs", kMaxBytes);
  if (!text.ok()) return pids;
  for_each_line(*text, [&](std::string_view line) {
    uint32_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid != 0 && pid != cgroup.pid && pids.size() < kMaxProcesses) pids.push_back(pid);
  });
  return pids;
}

// The pid may have been used again since: only a process that is in the cgroup now counts.
bool CgroupResolver::is_inside(uint32_t pid, const std::string& cgroup) const {
  const auto text = read_small_file(fmt::format("{}/{}/cgroup", proc_root_, pid), kMaxBytes);
  bool inside = false;
  if (text.ok()) {
    for_each_line(*text, [&](std::string_view line) {
      if (line.starts_with("0::"))
        inside = is_below(path_from_root(namespace_root_, line.substr(3)), cgroup);
    });
  }
  return inside;
}

// Before it becomes the workspace's first program, a container's process is its runtime's: the
// host's root, or half a container's, would be taken for the workspace's.
bool CgroupResolver::is_runtime(uint32_t pid) const {
  const auto comm = read_small_file(fmt::format("{}/{}/comm", proc_root_, pid), 64);
  if (comm.ok() && comm->starts_with("runc:[")) return true;
  std::error_code error;
  const std::string exe =
      fs::read_symlink(fmt::format("{}/{}/exe", proc_root_, pid), error).string();
  const std::string name = exe.substr(exe.find_last_of('/') + 1);
  constexpr std::array<std::string_view, 4> kRuntimes = {"runc", "crun", "youki", "conmon"};
  return exe.find("runc_cloned") != exe.npos || exe.starts_with("/memfd:crun") ||
         name.starts_with("containerd-shim") ||
         std::ranges::find(kRuntimes, name) != kRuntimes.end();
}

bool CgroupResolver::is_init(uint32_t pid) const {
  const auto text = read_small_file(fmt::format("{}/{}/status", proc_root_, pid), kMaxBytes);
  bool init = false;
  if (text.ok()) {
    for_each_line(*text, [&](std::string_view line) {
      if (line.starts_with("NSpid:")) init = line.ends_with("\t1");
    });
  }
  return init;
}

}  // namespace picket
