#include "agent/app/machine_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "agent/enrich/command_line.h"
#include "agent/enrich/loader_file.h"
#include "agent/enrich/small_file.h"
#include "agent/sensor/probes.h"

namespace picket {
namespace {

constexpr size_t kEnvironmentMax = 256 << 10;
constexpr size_t kScriptSeen = 4096;

int open_place(ProcessKey key, std::string_view entry) {
  return open(fmt::format("/proc/{}/{}", key.pid, entry).c_str(), O_PATH | O_CLOEXEC);
}

int open_for_reading(const FileDescriptor& place) {
  return open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC);
}

// What the kernel knows by itself: no file system is asked.
std::optional<struct statx> look_at(const FileDescriptor& place) {
  struct statx seen {};
  constexpr int kFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  if (place.get() < 0 || statx(place.get(), "", kFlags, STATX_TYPE | STATX_MNT_ID, &seen) != 0)
    return std::nullopt;
  return seen;
}

// The root of the process, or, if that has ended, of those that started it. Only a root on the file
// system of the program, an overlay: another one, of the workspace's own making, might not answer
// whoever reads there.
FileDescriptor root_of(const Process& process) {
  constexpr int kGenerationsAsked = 4;
  const bool on_overlay = process.layer == PK_LAYER_UPPER || process.layer == PK_LAYER_IMAGE;
  const Process* at = on_overlay ? &process : nullptr;
  for (int i = 0; i < kGenerationsAsked && at != nullptr; ++i, at = at->parent) {
    if (at->workspace_cgroup != process.workspace_cgroup) break;
    FileDescriptor root(open_place(at->key, "root"));
    const auto seen = look_at(root);
    if (!seen) continue;
    if ((seen->stx_dev_major << 20 | seen->stx_dev_minor) == process.exe_dev) return root;
  }
  return FileDescriptor(-1);
}

// A regular file on the root's own file system, where links lead as for who lives there.
FileDescriptor open_below(const FileDescriptor& root, std::string_view path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const FileDescriptor place(static_cast<int>(
      syscall(SYS_openat2, root.get(), std::string(path).c_str(), &how, sizeof how)));
  const auto seen = look_at(place);
  return FileDescriptor(seen && S_ISREG(seen->stx_mode) ? open_for_reading(place) : -1);
}

// While it runs, whatever became of its path.
FileDescriptor open_program(const Process& process, const FileDescriptor& root) {
  const FileDescriptor place(open_place(process.key, "exe"));
  const auto seen = look_at(place), above = look_at(root);
  const bool same_mount = seen && above && (seen->stx_mask & above->stx_mask & STATX_MNT_ID) != 0 &&
                          seen->stx_mnt_id == above->stx_mnt_id;
  return FileDescriptor(same_mount ? open_for_reading(place) : -1);
}

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

// The program that runs, or what lies at its path if it has ended.
bool MachineProcesses::runs_loader(const Process& process) {
  const FileDescriptor root = root_of(process);
  if (root.get() < 0) return false;
  FileDescriptor file = open_program(process, root);
  if (file.get() < 0) file = open_below(root, process.exe);
  return file.get() >= 0 && is_loader_file(file.get());
}

std::string MachineProcesses::script(const Process& process) {
  std::string text(kScriptSeen, '\0');
  ssize_t got = 0;
  const FileDescriptor root = root_of(process);
  const auto read_from = [&](const std::string& path) {
    const FileDescriptor file = open_below(root, path);
    if (file.get() >= 0) got = pread(file.get(), text.data(), text.size(), 0);
    return file.get() >= 0;
  };
  if (root.get() >= 0) {
    if (!process.interp.empty())
      read_from(absolute_path(process, process.filename));
    else
      find_script(process, read_from);
  }
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string MachineProcesses::environment(ProcessKey key) {
  auto text = read_small_file(fmt::format("/proc/{}/environ", key.pid), kEnvironmentMax);
  return text.ok() ? *std::move(text) : std::string();
}

}  // namespace picket
