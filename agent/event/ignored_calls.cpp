#include "agent/event/ignored_calls.h"

#include <algorithm>
#include <array>
#include <map>

namespace picket {
namespace {

struct Reason {
  std::string_view words;
  std::string_view calls;  // separated by blanks
};

constexpr auto kReasons = std::to_array<Reason>({
    {"tells the caller of itself or of the machine, and changes nothing",
     "capget get_mempolicy get_robust_list get_thread_area getcpu getcwd getegid getegid32 geteuid "
     "geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpgid getpgrp getpid getppid "
     "getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid "
     "gettid getuid getuid32 ioprio_get kcmp lsm_get_self_attr lsm_list_modules mincore "
     "oldolduname olduname sched_get_priority_max sched_get_priority_min sched_getaffinity "
     "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
     "sched_rr_get_interval_time64 sgetmask sysfs sysinfo times ugetrlimit uname ustat"},
    {"looks at names and attributes; what lies there is told when it is opened",
     "access cachestat faccessat faccessat2 fgetxattr file_getattr flistxattr fstat fstat64 "
     "fstatat64 fstatfs fstatfs64 getxattr getxattrat inotify_add_watch inotify_init "
     "inotify_init1 inotify_rm_watch lgetxattr listmount listxattr listxattrat llistxattr "
     "lookup_dcookie lstat lstat64 name_to_handle_at newfstatat oldfstat oldlstat oldstat readlink "
     "readlinkat stat stat64 statfs statfs64 statmount statx"},
    {"reads or writes through a descriptor, which was told when it was opened",
     "_llseek copy_file_range fadvise64 fadvise64_64 fallocate fdatasync flock fsync getdents "
     "getdents64 io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup "
     "io_submit lseek msync pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead "
     "readdir readv sendfile sendfile64 splice sync sync_file_range syncfs tee vmsplice write "
     "writev"},
    {"moves bytes of a connection whose beginning is told and whose volume is counted",
     "getpeername getsockname getsockopt recvfrom setsockopt shutdown"},
    {"is a thousand requests in one: the device or file is told when it is opened, what is asked "
     "of it is not",
     "ioctl"},
    {"hands over what a ring holds; the ring's beginning is told", "io_uring_enter"},
    {"arranges the caller's own descriptors, directory and umask; what they are is read where it "
     "matters",
     "chdir close close_range epoll_create epoll_create1 epoll_ctl eventfd eventfd2 fanotify_mark "
     "fchdir pipe pipe2 signalfd signalfd4 socketpair umask"},
    {"arranges the caller's own memory; code that came from nowhere is told when it is run as a "
     "program",
     "arch_prctl brk madvise map_shadow_stack mbind memfd_secret mlock mlock2 mlockall mmap mmap2 "
     "modify_ldt mprotect mremap mseal munlock munlockall munmap personality pkey_alloc pkey_free "
     "pkey_mprotect remap_file_pages set_mempolicy set_mempolicy_home_node set_thread_area vm86 "
     "vm86old"},
    {"waits, sleeps or measures time",
     "alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
     "clock_nanosleep_time64 epoll_pwait epoll_pwait2 epoll_wait futex futex_requeue futex_time64 "
     "futex_wait futex_waitv futex_wake gettimeofday _newselect nanosleep pause poll ppoll "
     "ppoll_time64 pselect6 pselect6_time64 select setitimer time timer_create timer_delete "
     "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
     "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64"},
    {"arranges how the caller is scheduled",
     "ioprio_set membarrier nice rseq sched_setaffinity sched_setattr sched_setparam "
     "sched_setscheduler sched_yield set_robust_list setpriority"},
    {"moves pages between memory nodes or gives advice about them; nothing is read",
     "migrate_pages move_pages process_mrelease"},
    {"arranges how the caller takes signals",
     "restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend "
     "rt_sigtimedwait rt_sigtimedwait_time64 sigaction sigaltstack signal sigpending sigprocmask "
     "sigreturn sigsuspend ssetmask"},
    {"waits for a child, whose end is told", "wait4 waitid waitpid"},
    {"ends the process, which is told as procexit", "exit exit_group"},
    {"arranges sessions and thread ids; lineage goes by birth", "set_tid_address setpgid setsid"},
    {"takes rights or room from the caller itself",
     "landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_set_self_attr prlimit64 "
     "setrlimit ulimit"},
    {"passes messages within an IPC namespace, which a workspace shares with nobody unless its "
     "runtime was told to",
     "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
     "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
     "semtimedop_time64 shmat shmctl shmdt shmget"},
    {"changes a file's times, or takes an attribute away",
     "file_setattr fremovexattr futimesat lremovexattr removexattr removexattrat utime utimensat "
     "utimensat_time64 utimes"},
    {"administers quotas and terminals; gives no way out of a workspace",
     "quotactl quotactl_fd vhangup"},
    {"is entered by the kernel's own trampoline only: a process that calls it is killed",
     "uprobe uretprobe"},
    {"is a call of other machines than x86-64",
     "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush memory_ordering multiplexer "
     "pciconfig_iobase pciconfig_read pciconfig_write riscv_flush_icache riscv_hwprobe rtas "
     "s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi "
     "set_tls spu_create spu_run subpage_prot switch_endian sync_file_range2 sys_debug_setcontext "
     "sysmips usr26 usr32"},
    {"has a number, but no kernel of today does anything for it",
     "_sysctl afs_syscall bdflush break create_module epoll_ctl_old epoll_wait_old ftime "
     "get_kernel_syms getpmsg gtty idle lock mpx nfsservctl prof profil putpmsg query_module "
     "security stty tuxcall uselib vserver"},
});

}  // namespace

std::string_view why_ignored(std::string_view call) {
  static const std::map<std::string_view, std::string_view> kCalls = [] {
    std::map<std::string_view, std::string_view> calls;
    for (const Reason& reason : kReasons) {
      for (std::string_view rest = reason.calls; !rest.empty();) {
        const size_t blank = std::min(rest.find(' '), rest.size());
        calls.emplace(rest.substr(0, blank), reason.words);
        rest.remove_prefix(std::min(blank + 1, rest.size()));
      }
    }
    return calls;
  }();
  const auto found = kCalls.find(call);
  return found == kCalls.end() ? std::string_view() : found->second;
}

}  // namespace picket
