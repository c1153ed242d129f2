#include "agent/event/system_call.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <iterator>
#include <vector>

#include "agent/event/schema.h"

namespace picket {
namespace {

using enum CallArgument::Print;

struct CallRow {
  pk_call call;
  std::vector<CallArgument> arguments;
};

const std::vector<CallRow>& rows() {
  static const std::vector<CallRow> kRows{
      {PK_CALL_execve, {{"filename", 0, text}}},
      {PK_CALL_execveat, {{"dirfd", 0}, {"filename", 0, text}, {"flags", 4, hex}}},
      {PK_CALL_unshare, {{"flags", 0, clone_flags}}},
      {PK_CALL_setns, {{"fd", 0}, {"nstype", 1, clone_flags}}},
      {PK_CALL_ptrace,
       {{"request", 0, ptrace_request}, {"pid", 1}, {"addr", 2, hex}, {"data", 3, hex}}},
      {PK_CALL_process_vm_readv, {{"pid", 0}}},
      {PK_CALL_process_vm_writev, {{"pid", 0}}},
      {PK_CALL_pidfd_open, {{"pid", 0}, {"flags", 1, hex}}},
      {PK_CALL_pidfd_getfd, {{"pid_fd", 0}, {"target_fd", 1}, {"flags", 2, hex}}},
      {PK_CALL_process_madvise, {{"pid_fd", 0}, {"advice", 3}, {"flags", 4, hex}}},
      {PK_CALL_prctl, {{"option", 0, prctl_option}, {"arg2_int", 1, wide}}},
      {PK_CALL_memfd_create, {{"name", 0, text}, {"flags", 1, memfd_flags}}},
      {PK_CALL_setuid, {{"uid", 0}}},
      {PK_CALL_setuid32, {{"uid", 0}}},
      {PK_CALL_setgid, {{"gid", 0}}},
      {PK_CALL_setgid32, {{"gid", 0}}},
      {PK_CALL_setfsuid, {{"uid", 0}}},
      {PK_CALL_setfsuid32, {{"uid", 0}}},
      {PK_CALL_setfsgid, {{"gid", 0}}},
      {PK_CALL_setfsgid32, {{"gid", 0}}},
      {PK_CALL_setreuid, {{"ruid", 0}, {"euid", 1}}},
      {PK_CALL_setreuid32, {{"ruid", 0}, {"euid", 1}}},
      {PK_CALL_setregid, {{"rgid", 0}, {"egid", 1}}},
      {PK_CALL_setregid32, {{"rgid", 0}, {"egid", 1}}},
      {PK_CALL_setresuid, {{"ruid", 0}, {"euid", 1}, {"suid", 2}}},
      {PK_CALL_setresuid32, {{"ruid", 0}, {"euid", 1}, {"suid", 2}}},
      {PK_CALL_setresgid, {{"rgid", 0}, {"egid", 1}, {"sgid", 2}}},
      {PK_CALL_setresgid32, {{"rgid", 0}, {"egid", 1}, {"sgid", 2}}},
      {PK_CALL_mount,
       {{"dev", 0, text}, {"dir", 1, text}, {"type", 2, text}, {"flags", 3, mount_flags}}},
      {PK_CALL_umount, {{"name", 0, text}}},
      {PK_CALL_umount2, {{"name", 0, text}, {"flags", 1, hex}}},
      {PK_CALL_fsopen, {{"type", 0, text}, {"flags", 1, hex}}},
      {PK_CALL_fsconfig, {{"fd", 0}, {"cmd", 1}, {"key", 0, text}, {"value", 1, text}}},
      {PK_CALL_fsmount, {{"fd", 0}, {"flags", 1, hex}}},
      {PK_CALL_fspick, {{"dirfd", 0}, {"path", 0, text}}},
      {PK_CALL_move_mount, {{"from", 0, text}, {"to", 1, text}, {"flags", 4, hex}}},
      {PK_CALL_open_tree, {{"dirfd", 0}, {"path", 0, text}, {"flags", 2, hex}}},
      {PK_CALL_open_tree_attr, {{"dirfd", 0}, {"path", 0, text}, {"flags", 2, hex}}},
      {PK_CALL_mount_setattr, {{"dirfd", 0}, {"path", 0, text}, {"flags", 2, hex}}},
      {PK_CALL_pivot_root, {{"new_root", 0, text}, {"put_old", 1, text}}},
      {PK_CALL_chroot, {{"path", 0, text}}},
      {PK_CALL_bpf, {{"cmd", 0, bpf_command}, {"prog_type", PK_PROGRAM_TYPE, program_type}}},
      {PK_CALL_init_module, {{"length", 1, wide}}},
      {PK_CALL_finit_module, {{"fd", 0}, {"flags", 2, hex}}},
      {PK_CALL_delete_module, {{"name", 0, text}, {"flags", 1, hex}}},
      {PK_CALL_perf_event_open, {{"pid", 1}, {"cpu", 2}, {"group_fd", 3}, {"flags", 4, hex}}},
      {PK_CALL_keyctl, {{"cmd", 0}}},
      {PK_CALL_add_key, {{"type", 0, text}, {"description", 1, text}}},
      {PK_CALL_request_key, {{"type", 0, text}, {"description", 1, text}}},
      {PK_CALL_userfaultfd, {{"flags", 0, hex}}},
      {PK_CALL_io_uring_setup, {{"entries", 0}}},
      {PK_CALL_io_uring_register, {{"fd", 0}, {"opcode", 1}}},
      {PK_CALL_iopl, {{"level", 0}}},
      {PK_CALL_swapon, {{"path", 0, text}}},
      {PK_CALL_swapoff, {{"path", 0, text}}},
      {PK_CALL_acct, {{"path", 0, text}}},
      {PK_CALL_reboot, {{"cmd", 2, hex}}},
      {PK_CALL_syslog, {{"action", 0}}},
      {PK_CALL_seccomp, {{"op", 0}, {"flags", 1, hex}}},
      {PK_CALL_kill, {{"pid", 0}, {"sig", 1, signal}}},
      {PK_CALL_tgkill, {{"pid", 0}, {"sig", 1, signal}}},
      {PK_CALL_rt_sigqueueinfo, {{"pid", 0}, {"sig", 1, signal}}},
  };
  return kRows;
}

#define PK_NAMED(value) \
  { value, #value }
constexpr Word kCloneFlags[] = {
    PK_NAMED(CLONE_NEWNS),  PK_NAMED(CLONE_NEWCGROUP), PK_NAMED(CLONE_NEWUTS),
    PK_NAMED(CLONE_NEWIPC), PK_NAMED(CLONE_NEWUSER),   PK_NAMED(CLONE_NEWPID),
    PK_NAMED(CLONE_NEWNET), {0x80, "CLONE_NEWTIME"},   PK_NAMED(CLONE_FILES),
    PK_NAMED(CLONE_FS),     PK_NAMED(CLONE_SYSVSEM),
};
constexpr Word kMountFlags[] = {
    PK_NAMED(MS_RDONLY),  PK_NAMED(MS_NOSUID), PK_NAMED(MS_NODEV),  PK_NAMED(MS_NOEXEC),
    PK_NAMED(MS_REMOUNT), PK_NAMED(MS_BIND),   PK_NAMED(MS_MOVE),   PK_NAMED(MS_REC),
    PK_NAMED(MS_PRIVATE), PK_NAMED(MS_SLAVE),  PK_NAMED(MS_SHARED),
};
constexpr Word kMemfdFlags[] = {PK_NAMED(MFD_CLOEXEC), PK_NAMED(MFD_ALLOW_SEALING),
                                PK_NAMED(MFD_HUGETLB)};
constexpr Word kPtraceRequests[] = {
    PK_NAMED(PTRACE_TRACEME),     PK_NAMED(PTRACE_POKETEXT),   PK_NAMED(PTRACE_POKEDATA),
    PK_NAMED(PTRACE_POKEUSR),     PK_NAMED(PTRACE_KILL),       PK_NAMED(PTRACE_GETREGS),
    PK_NAMED(PTRACE_SETREGS),     PK_NAMED(PTRACE_GETFPREGS),  PK_NAMED(PTRACE_SETFPREGS),
    PK_NAMED(PTRACE_ATTACH),      PK_NAMED(PTRACE_DETACH),     PK_NAMED(PTRACE_SETOPTIONS),
    PK_NAMED(PTRACE_GETEVENTMSG), PK_NAMED(PTRACE_GETSIGINFO), PK_NAMED(PTRACE_SETSIGINFO),
    PK_NAMED(PTRACE_GETREGSET),   PK_NAMED(PTRACE_SETREGSET),  PK_NAMED(PTRACE_SEIZE),
    PK_NAMED(PTRACE_INTERRUPT),   PK_NAMED(PTRACE_LISTEN),     PK_NAMED(PTRACE_PEEKSIGINFO),
};
constexpr Word kPrctlOptions[] = {
    PK_NAMED(PR_SET_DUMPABLE),     PK_NAMED(PR_SET_KEEPCAPS), PK_NAMED(PR_SET_SECCOMP),
    PK_NAMED(PR_SET_SECUREBITS),   PK_NAMED(PR_SET_MM),       PK_NAMED(PR_SET_CHILD_SUBREAPER),
    PK_NAMED(PR_SET_NO_NEW_PRIVS), PK_NAMED(PR_CAP_AMBIENT),  PK_NAMED(PR_SET_PTRACER),
};
constexpr Word kBpfCommands[] = {
    PK_NAMED(BPF_MAP_CREATE),       PK_NAMED(BPF_MAP_LOOKUP_ELEM),
    PK_NAMED(BPF_MAP_UPDATE_ELEM),  PK_NAMED(BPF_MAP_DELETE_ELEM),
    PK_NAMED(BPF_PROG_LOAD),        PK_NAMED(BPF_OBJ_PIN),
    PK_NAMED(BPF_OBJ_GET),          PK_NAMED(BPF_PROG_ATTACH),
    PK_NAMED(BPF_PROG_DETACH),      PK_NAMED(BPF_PROG_GET_FD_BY_ID),
    PK_NAMED(BPF_MAP_GET_FD_BY_ID), PK_NAMED(BPF_RAW_TRACEPOINT_OPEN),
    PK_NAMED(BPF_BTF_LOAD),         PK_NAMED(BPF_LINK_CREATE),
};
constexpr Word kProgramTypes[] = {
    PK_NAMED(BPF_PROG_TYPE_SOCKET_FILTER),
    PK_NAMED(BPF_PROG_TYPE_KPROBE),
    PK_NAMED(BPF_PROG_TYPE_SCHED_CLS),
    PK_NAMED(BPF_PROG_TYPE_SCHED_ACT),
    PK_NAMED(BPF_PROG_TYPE_TRACEPOINT),
    PK_NAMED(BPF_PROG_TYPE_XDP),
    PK_NAMED(BPF_PROG_TYPE_PERF_EVENT),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_SKB),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_SOCK),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_DEVICE),
    PK_NAMED(BPF_PROG_TYPE_RAW_TRACEPOINT),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_SOCK_ADDR),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_SYSCTL),
    PK_NAMED(BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE),
    PK_NAMED(BPF_PROG_TYPE_CGROUP_SOCKOPT),
    PK_NAMED(BPF_PROG_TYPE_TRACING),
    PK_NAMED(BPF_PROG_TYPE_STRUCT_OPS),
    PK_NAMED(BPF_PROG_TYPE_EXT),
    PK_NAMED(BPF_PROG_TYPE_LSM),
    PK_NAMED(BPF_PROG_TYPE_SYSCALL),
};
#undef PK_NAMED

void append_word(std::span<const Word> words, uint64_t value, std::string& text) {
  const auto word = std::ranges::find(words, value, &Word::value);
  text += word == words.end() ? std::to_string(value) : std::string(word->word);
}

void append_bits(std::span<const Word> words, uint64_t value, std::string& text) {
  if (value == 0) text += '0';
  std::string_view between;
  for (const Word& word : words) {
    if ((value & word.value) == 0) continue;
    text += between;
    text += word.word;
    value &= ~uint64_t{word.value};
    between = "|";
  }
  if (value != 0) fmt::format_to(std::back_inserter(text), "{}{:#x}", between, value);
}

void append_signal(uint64_t number, std::string& text) {
  const char* name = number < NSIG ? sigabbrev_np(static_cast<int>(number)) : nullptr;
  if (name == nullptr)
    text += std::to_string(number);
  else
    text += fmt::format("SIG{}", name);
}

// Whether the call goes by the lower half of the register alone, whatever the caller left in the
// other.
bool is_narrow(CallArgument::Print print) {
  return print != hex && print != mount_flags && print != ptrace_request && print != wide;
}

}  // namespace

std::span<const CallArgument> arguments_of(pk_call call) {
  const auto row = std::ranges::find(rows(), call, &CallRow::call);
  return row == rows().end() ? std::span<const CallArgument>() : row->arguments;
}

const CallArgument* argument_of(pk_call call, std::string_view name) {
  const auto arguments = arguments_of(call);
  const auto found = std::ranges::find(arguments, name, &CallArgument::name);
  return found == arguments.end() ? nullptr : &*found;
}

std::span<const std::string_view> argument_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> names;
    for (const CallRow& row : rows())
      for (const CallArgument& argument : row.arguments) names.push_back(argument.name);
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }();
  return kNames;
}

void append_argument(const Event& event, const pk_system& call, const CallArgument& argument,
                     std::string& out) {
  if (argument.print == text) {
    out += event.text(call.text[argument.place]);
    return;
  }
  uint64_t value = call.argument[argument.place];
  if (is_narrow(argument.print)) value = static_cast<uint32_t>(value);
  switch (argument.print) {
    case hex:
      fmt::format_to(std::back_inserter(out), "{:#x}", value);
      return;
    case clone_flags:
      return append_bits(kCloneFlags, value, out);
    case mount_flags:
      return append_bits(kMountFlags, value, out);
    case memfd_flags:
      return append_bits(kMemfdFlags, value, out);
    case ptrace_request:
      return append_word(kPtraceRequests, value, out);
    case prctl_option:
      return append_word(kPrctlOptions, value, out);
    case bpf_command:
      return append_word(kBpfCommands, value, out);
    case program_type:
      if (static_cast<uint32_t>(call.argument[0]) == BPF_PROG_LOAD)
        append_word(kProgramTypes, value, out);
      return;
    case signal:
      return append_signal(value, out);
    case number:  // descriptors, pids and user ids may be -1
      out += std::to_string(static_cast<int32_t>(value));
      return;
    case wide:
      out += std::to_string(value <= UINT32_MAX ? static_cast<int32_t>(value)
                                                : static_cast<int64_t>(value));
      return;
    case text:
      return;
  }
}

}  // namespace picket
