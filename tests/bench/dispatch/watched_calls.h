// The calls that the dispatch benchmark watches, in the order in which 5, 20 and 60 of them are
// taken. Numbers are of the kernel's two x86 tables; <asm/unistd_64.h> and <asm/unistd_32.h> cannot
// be included together. Constant data. Names are the kernel's events ("umount" is umount2); module
// and kexec calls are left out: not every kernel has them.
#pragma once

#include <array>

namespace picket::bench {

struct WatchedCall {
  const char* name;
  unsigned native, compat;
};

inline constexpr std::array<WatchedCall, 60> kWatchedCalls{{
    {"setns", 308, 346},        {"execve", 59, 11},
    {"connect", 42, 362},       {"openat", 257, 295},
    {"ptrace", 101, 26},        {"unshare", 272, 310},
    {"mount", 165, 21},         {"umount", 166, 52},
    {"pivot_root", 155, 217},   {"chroot", 161, 61},
    {"bpf", 321, 357},          {"seccomp", 317, 354},
    {"sethostname", 170, 74},   {"reboot", 169, 88},
    {"memfd_create", 319, 356}, {"process_vm_writev", 311, 348},
    {"setuid", 105, 23},        {"setresuid", 117, 164},
    {"capset", 126, 185},       {"execveat", 322, 358},
    {"openat2", 437, 437},      {"open", 2, 5},
    {"creat", 85, 8},           {"sendto", 44, 369},
    {"sendmsg", 46, 370},       {"bind", 49, 361},
    {"listen", 50, 363},        {"accept4", 288, 364},
    {"socket", 41, 359},        {"dup2", 33, 63},
    {"dup3", 292, 330},         {"unlink", 87, 10},
    {"unlinkat", 263, 301},     {"rename", 82, 38},
    {"renameat2", 316, 353},    {"symlink", 88, 83},
    {"symlinkat", 266, 304},    {"linkat", 265, 303},
    {"fchmodat", 268, 306},     {"chmod", 90, 15},
    {"fchownat", 260, 298},     {"setxattr", 188, 226},
    {"mknodat", 259, 297},      {"keyctl", 250, 288},
    {"add_key", 248, 286},      {"request_key", 249, 287},
    {"userfaultfd", 323, 374},  {"perf_event_open", 298, 336},
    {"fchmod", 91, 94},         {"io_uring_setup", 425, 425},
    {"fsopen", 430, 430},       {"fsconfig", 431, 431},
    {"fsmount", 432, 432},      {"move_mount", 429, 429},
    {"open_tree", 428, 428},    {"mount_setattr", 442, 442},
    {"pidfd_getfd", 438, 438},  {"process_vm_readv", 310, 347},
    {"setgid", 106, 46},        {"setresgid", 119, 170},
}};

}  // namespace picket::bench
