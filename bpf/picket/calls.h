/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Every system call that a record can be about, once: its name, its numbers on x86-64 and i386, who
 * tells of it and as which record. The kernel's tables, the names of evt.type and the list of what
 * is watched come from here. The order is part of the ABI (pk_header.call): append only.
 */
#ifndef PICKET_CALLS_H
#define PICKET_CALLS_H

#define PK_CALL_NUMBERS 512 /* no table of the kernel is longer; what lies above is not watched */
#define PK_NO_NUMBER 511    /* the interface does not have the call */

/* Who tells of a call: the program of that handler at its end, or the hook of an event of its own. */
enum pk_handler {
  PK_OWN_HOOK = 0,
  PK_ON_STDIO,
  PK_ON_SYSTEM,
  PK_ON_OPEN,
  PK_ON_FILE,
  PK_ON_SOCKET,
  PK_HANDLER_END
};

/* X(name, number on x86-64, number on i386, enum pk_handler, enum pk_type) */
#define PK_CALLS(X)                                              \
  X(fork, 57, 2, PK_OWN_HOOK, PK_FORK)                           \
  X(vfork, 58, 190, PK_OWN_HOOK, PK_FORK)                        \
  X(clone, 56, 120, PK_OWN_HOOK, PK_FORK)                        \
  X(clone3, 435, 435, PK_OWN_HOOK, PK_FORK)                      \
  X(execve, 59, 11, PK_ON_SYSTEM, PK_EXEC)                       \
  X(execveat, 322, 358, PK_ON_SYSTEM, PK_EXEC)                   \
  X(connect, 42, 362, PK_ON_SOCKET, PK_CONNECT)                  \
  X(sendto, 44, 369, PK_ON_SOCKET, PK_CONNECT)                   \
  X(sendmsg, 46, 370, PK_ON_SOCKET, PK_CONNECT)                  \
  X(sendmmsg, 307, 345, PK_ON_SOCKET, PK_CONNECT)                \
  X(socketcall, PK_NO_NUMBER, 102, PK_OWN_HOOK, PK_CONNECT)      \
  X(dup, 32, 41, PK_ON_STDIO, PK_STDIO)                          \
  X(dup2, 33, 63, PK_ON_STDIO, PK_STDIO)                         \
  X(dup3, 292, 330, PK_ON_STDIO, PK_STDIO)                       \
  X(fcntl, 72, 55, PK_ON_STDIO, PK_STDIO)                        \
  X(fcntl64, PK_NO_NUMBER, 221, PK_ON_STDIO, PK_STDIO)           \
  X(unshare, 272, 310, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(setns, 308, 346, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(open, 2, 5, PK_ON_OPEN, PK_OPEN)                             \
  X(openat, 257, 295, PK_ON_OPEN, PK_OPEN)                       \
  X(openat2, 437, 437, PK_ON_OPEN, PK_OPEN)                      \
  X(creat, 85, 8, PK_ON_OPEN, PK_OPEN)                           \
  X(open_by_handle_at, 304, 342, PK_ON_OPEN, PK_OPEN)            \
  X(mkdir, 83, 39, PK_ON_FILE, PK_FILE)                          \
  X(mkdirat, 258, 296, PK_ON_FILE, PK_FILE)                      \
  X(mknod, 133, 14, PK_ON_FILE, PK_FILE)                         \
  X(mknodat, 259, 297, PK_ON_FILE, PK_FILE)                      \
  X(rename, 82, 38, PK_ON_FILE, PK_FILE)                         \
  X(renameat, 264, 302, PK_ON_FILE, PK_FILE)                     \
  X(renameat2, 316, 353, PK_ON_FILE, PK_FILE)                    \
  X(link, 86, 9, PK_ON_FILE, PK_FILE)                            \
  X(linkat, 265, 303, PK_ON_FILE, PK_FILE)                       \
  X(symlink, 88, 83, PK_ON_FILE, PK_FILE)                        \
  X(symlinkat, 266, 304, PK_ON_FILE, PK_FILE)                    \
  X(unlink, 87, 10, PK_ON_FILE, PK_FILE)                         \
  X(unlinkat, 263, 301, PK_ON_FILE, PK_FILE)                     \
  X(rmdir, 84, 40, PK_ON_FILE, PK_FILE)                          \
  X(chmod, 90, 15, PK_ON_FILE, PK_FILE)                          \
  X(fchmod, 91, 94, PK_ON_FILE, PK_FILE)                         \
  X(fchmodat, 268, 306, PK_ON_FILE, PK_FILE)                     \
  X(fchmodat2, 452, 452, PK_ON_FILE, PK_FILE)                    \
  X(chown, 92, 182, PK_ON_FILE, PK_FILE)                         \
  X(fchown, 93, 95, PK_ON_FILE, PK_FILE)                         \
  X(lchown, 94, 16, PK_ON_FILE, PK_FILE)                         \
  X(fchownat, 260, 298, PK_ON_FILE, PK_FILE)                     \
  X(chown32, PK_NO_NUMBER, 212, PK_ON_FILE, PK_FILE)             \
  X(fchown32, PK_NO_NUMBER, 207, PK_ON_FILE, PK_FILE)            \
  X(lchown32, PK_NO_NUMBER, 198, PK_ON_FILE, PK_FILE)            \
  X(truncate, 76, 92, PK_ON_FILE, PK_FILE)                       \
  X(ftruncate, 77, 93, PK_ON_FILE, PK_FILE)                      \
  X(truncate64, PK_NO_NUMBER, 193, PK_ON_FILE, PK_FILE)          \
  X(ftruncate64, PK_NO_NUMBER, 194, PK_ON_FILE, PK_FILE)         \
  X(setxattr, 188, 226, PK_ON_FILE, PK_FILE)                     \
  X(lsetxattr, 189, 227, PK_ON_FILE, PK_FILE)                    \
  X(fsetxattr, 190, 228, PK_ON_FILE, PK_FILE)                    \
  X(setxattrat, 463, 463, PK_ON_FILE, PK_FILE)                   \
  X(socket, 41, 359, PK_ON_SOCKET, PK_SOCKET)                    \
  X(bind, 49, 361, PK_ON_SOCKET, PK_SOCKET)                      \
  X(listen, 50, 363, PK_ON_SOCKET, PK_SOCKET)                    \
  X(accept, 43, PK_NO_NUMBER, PK_ON_SOCKET, PK_SOCKET)           \
  X(accept4, 288, 364, PK_ON_SOCKET, PK_SOCKET)                  \
  X(ptrace, 101, 26, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(process_vm_readv, 310, 347, PK_ON_SYSTEM, PK_SYSTEM)         \
  X(process_vm_writev, 311, 348, PK_ON_SYSTEM, PK_SYSTEM)        \
  X(pidfd_open, 434, 434, PK_ON_SYSTEM, PK_SYSTEM)               \
  X(pidfd_getfd, 438, 438, PK_ON_SYSTEM, PK_SYSTEM)              \
  X(prctl, 157, 172, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(memfd_create, 319, 356, PK_ON_SYSTEM, PK_SYSTEM)             \
  X(setuid, 105, 23, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(setgid, 106, 46, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(setreuid, 113, 70, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(setregid, 114, 71, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(setresuid, 117, 164, PK_ON_SYSTEM, PK_SYSTEM)                \
  X(setresgid, 119, 170, PK_ON_SYSTEM, PK_SYSTEM)                \
  X(setfsuid, 122, 138, PK_ON_SYSTEM, PK_SYSTEM)                 \
  X(setfsgid, 123, 139, PK_ON_SYSTEM, PK_SYSTEM)                 \
  X(setgroups, 116, 81, PK_ON_SYSTEM, PK_SYSTEM)                 \
  X(capset, 126, 185, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(setuid32, PK_NO_NUMBER, 213, PK_ON_SYSTEM, PK_SYSTEM)        \
  X(setgid32, PK_NO_NUMBER, 214, PK_ON_SYSTEM, PK_SYSTEM)        \
  X(setreuid32, PK_NO_NUMBER, 203, PK_ON_SYSTEM, PK_SYSTEM)      \
  X(setregid32, PK_NO_NUMBER, 204, PK_ON_SYSTEM, PK_SYSTEM)      \
  X(setresuid32, PK_NO_NUMBER, 208, PK_ON_SYSTEM, PK_SYSTEM)     \
  X(setresgid32, PK_NO_NUMBER, 210, PK_ON_SYSTEM, PK_SYSTEM)     \
  X(setfsuid32, PK_NO_NUMBER, 215, PK_ON_SYSTEM, PK_SYSTEM)      \
  X(setfsgid32, PK_NO_NUMBER, 216, PK_ON_SYSTEM, PK_SYSTEM)      \
  X(setgroups32, PK_NO_NUMBER, 206, PK_ON_SYSTEM, PK_SYSTEM)     \
  X(mount, 165, 21, PK_ON_SYSTEM, PK_SYSTEM)                     \
  X(umount, PK_NO_NUMBER, 22, PK_ON_SYSTEM, PK_SYSTEM)           \
  X(umount2, 166, 52, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(fsopen, 430, 430, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(fsconfig, 431, 431, PK_ON_SYSTEM, PK_SYSTEM)                 \
  X(fsmount, 432, 432, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(fspick, 433, 433, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(move_mount, 429, 429, PK_ON_SYSTEM, PK_SYSTEM)               \
  X(open_tree, 428, 428, PK_ON_SYSTEM, PK_SYSTEM)                \
  X(mount_setattr, 442, 442, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(pivot_root, 155, 217, PK_ON_SYSTEM, PK_SYSTEM)               \
  X(chroot, 161, 61, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(bpf, 321, 357, PK_ON_SYSTEM, PK_SYSTEM)                      \
  X(init_module, 175, 128, PK_ON_SYSTEM, PK_SYSTEM)              \
  X(finit_module, 313, 350, PK_ON_SYSTEM, PK_SYSTEM)             \
  X(delete_module, 176, 129, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(perf_event_open, 298, 336, PK_ON_SYSTEM, PK_SYSTEM)          \
  X(keyctl, 250, 288, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(add_key, 248, 286, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(request_key, 249, 287, PK_ON_SYSTEM, PK_SYSTEM)              \
  X(kexec_load, 246, 283, PK_ON_SYSTEM, PK_SYSTEM)               \
  X(kexec_file_load, 320, PK_NO_NUMBER, PK_ON_SYSTEM, PK_SYSTEM) \
  X(userfaultfd, 323, 374, PK_ON_SYSTEM, PK_SYSTEM)              \
  X(io_uring_setup, 425, 425, PK_ON_SYSTEM, PK_SYSTEM)           \
  X(io_uring_register, 427, 427, PK_ON_SYSTEM, PK_SYSTEM)        \
  X(iopl, 172, 110, PK_ON_SYSTEM, PK_SYSTEM)                     \
  X(ioperm, 173, 101, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(swapon, 167, 87, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(swapoff, 168, 115, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(reboot, 169, 88, PK_ON_SYSTEM, PK_SYSTEM)                    \
  X(acct, 163, 51, PK_ON_SYSTEM, PK_SYSTEM)                      \
  X(syslog, 103, 103, PK_ON_SYSTEM, PK_SYSTEM)                   \
  X(sethostname, 170, 74, PK_ON_SYSTEM, PK_SYSTEM)               \
  X(setdomainname, 171, 121, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(clock_settime, 227, 264, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(clock_settime64, PK_NO_NUMBER, 404, PK_ON_SYSTEM, PK_SYSTEM) \
  X(clock_adjtime, 305, 343, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(clock_adjtime64, PK_NO_NUMBER, 405, PK_ON_SYSTEM, PK_SYSTEM) \
  X(adjtimex, 159, 124, PK_ON_SYSTEM, PK_SYSTEM)                 \
  X(settimeofday, 164, 79, PK_ON_SYSTEM, PK_SYSTEM)              \
  X(stime, PK_NO_NUMBER, 25, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(fanotify_init, 300, 338, PK_ON_SYSTEM, PK_SYSTEM)            \
  X(seccomp, 317, 354, PK_ON_SYSTEM, PK_SYSTEM)                  \
  X(kill, 62, 37, PK_OWN_HOOK, PK_SYSTEM)                        \
  X(tkill, 200, 238, PK_OWN_HOOK, PK_SYSTEM)                     \
  X(tgkill, 234, 270, PK_OWN_HOOK, PK_SYSTEM)                    \
  X(rt_sigqueueinfo, 129, 178, PK_OWN_HOOK, PK_SYSTEM)           \
  X(rt_tgsigqueueinfo, 297, 335, PK_OWN_HOOK, PK_SYSTEM)         \
  X(pidfd_send_signal, 424, 424, PK_OWN_HOOK, PK_SYSTEM)         \
  X(open_tree_attr, 467, 467, PK_ON_SYSTEM, PK_SYSTEM)           \
  X(recvmsg, 47, 372, PK_ON_STDIO, PK_HOLDS)                     \
  X(process_madvise, 440, 440, PK_ON_SYSTEM, PK_SYSTEM)          \
  X(recvmmsg, 299, 337, PK_ON_STDIO, PK_HOLDS)                   \
  X(recvmmsg_time64, PK_NO_NUMBER, 417, PK_ON_STDIO, PK_HOLDS)

#define PK_CALL_ID(name, native, compat, handler, type) PK_CALL_##name,
enum pk_call { PK_CALL_NONE = 0, PK_CALLS(PK_CALL_ID) PK_CALL_END };
#undef PK_CALL_ID

/* Arguments of PK_SYSTEM calls that are texts, by the bits of their places. */
#define PK_TEXT_ARGUMENTS(X) \
  X(execve, 0x1)             \
  X(execveat, 0x2)           \
  X(mount, 0x7)              \
  X(umount, 0x1)             \
  X(umount2, 0x1)            \
  X(fsopen, 0x1)             \
  X(fsconfig, 0xc)           \
  X(fspick, 0x2)             \
  X(move_mount, 0xa)         \
  X(open_tree, 0x2)          \
  X(open_tree_attr, 0x2)     \
  X(mount_setattr, 0x2)      \
  X(pivot_root, 0x3)         \
  X(chroot, 0x1)             \
  X(memfd_create, 0x1)       \
  X(delete_module, 0x1)      \
  X(add_key, 0x3)            \
  X(request_key, 0x3)        \
  X(swapon, 0x1)             \
  X(swapoff, 0x1)            \
  X(acct, 0x1)

/* Of the tables `calls64` and `calls32`, by number. */
struct pk_call_row {
  unsigned char call;    /* enum pk_call */
  unsigned char handler; /* enum pk_handler; PK_OWN_HOOK: nobody looks at the call's end */
};

#endif
