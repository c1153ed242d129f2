#include "agent/sensor/hooks.h"

#include <array>

namespace picket {
namespace {

using When = Hook::When;

constexpr std::string_view kStdioMissing =
    "sockets bound to descriptors 0 to 2 of a running program are not seen";
constexpr std::string_view kOpenMissing = "opened files are not seen";
constexpr std::string_view kFileMissing =
    "files that are made, renamed, linked, removed, or get other owners, modes or attributes are "
    "not seen";
constexpr std::string_view kSocketMissing =
    "raw and packet sockets, accepted connections and unix sockets are not seen";
constexpr std::string_view kSystemMissing =
    "changes of namespaces, mounts and credentials, access to other processes and calls into the "
    "kernel's own facilities are not seen";

constexpr std::string_view kNameMissing =
    "which file a name led to is not seen: told is the caller's text, which a thread may change";
constexpr std::string_view kAttributeMissing =
    "which attribute was set is not seen: told is the caller's text, which a thread may change";
constexpr std::string_view kMountMissing =
    "what a path of the call led to is not seen: told is the caller's text, which a thread may "
    "change";

// In the order of attaching: whoever is labelled must also be unlabelled, and workspaces come
// before their processes.
constexpr std::array kHooks = {
    Hook{"on_exit", "tp_btf/sched_process_exit", "exit", "the end of processes is not seen", true},
    Hook{"on_cgroup_rmdir", "tp_btf/cgroup_rmdir", "cgroup_rmdir",
         "the end of workspaces is not seen", true},
    Hook{"on_cgroup_mkdir", "tp_btf/cgroup_mkdir", "cgroup_mkdir", "new workspaces are not seen",
         true},
    Hook{"on_cgroup_attach", "tp_btf/cgroup_attach_task", "cgroup_attach",
         "processes that are put into a workspace are not seen", true},
    Hook{"on_rename", "tp_btf/task_rename", "cgroup_mkdir",
         "runc containers whose cgroup has a free name are not found", false},
    Hook{"on_fork", "tp_btf/task_newtask", "fork", "processes that never exec are not seen", true},
    Hook{"on_exec", "tp_btf/sched_process_exec", "exec", "executed programs are not seen", true},
    Hook{"on_sock_state", "tp_btf/inet_sock_set_state", "connect", "TCP connections are not seen",
         true},
    Hook{"on_connect4", "cgroup/connect4", "connect",
         "IPv4: connected UDP sockets and refused connections are not seen"},
    Hook{"on_connect6", "cgroup/connect6", "connect",
         "IPv6: connected UDP sockets and refused connections are not seen"},
    Hook{"on_sendmsg4", "cgroup/sendmsg4", "connect",
         "IPv4 datagrams without connect are not seen"},
    Hook{"on_sendmsg6", "cgroup/sendmsg6", "connect",
         "IPv6 datagrams without connect are not seen"},
    Hook{"on_bind4", "cgroup/post_bind4", "socket_call", "IPv4: bound sockets are not seen"},
    Hook{"on_bind6", "cgroup/post_bind6", "socket_call", "IPv6: bound sockets are not seen"},
    // Before the packets: a flow that is counted is also ended.
    Hook{"on_release", "cgroup/sock_release", "flow", "the end of datagram flows is not seen"},
    Hook{"on_egress", "cgroup_skb/egress", "flow",
         "sent datagrams are not counted, long flows are told at their end only, and first bytes "
         "and DNS questions are not seen"},
    Hook{"on_ingress", "cgroup_skb/ingress", "dns",
         "received datagrams are not counted and DNS answers are not seen"},
    Hook{"on_call_stdio", "call/stdio", "stdio", kStdioMissing, false, When::compat_calls,
         PK_ON_STDIO},
    Hook{"on_single_stdio", "call/stdio", "stdio", kStdioMissing, false, When::native_calls,
         PK_ON_STDIO},
    Hook{"on_call_system", "call/system", "system", kSystemMissing, false, When::compat_calls,
         PK_ON_SYSTEM},
    Hook{"on_single_system", "call/system", "system", kSystemMissing, false, When::native_calls,
         PK_ON_SYSTEM},
    Hook{"on_call_open", "call/open", "file_open", kOpenMissing, false, When::compat_calls,
         PK_ON_OPEN},
    Hook{"on_single_open", "call/open", "file_open", kOpenMissing, false, When::native_calls,
         PK_ON_OPEN},
    Hook{"on_call_file", "call/file", "file_change", kFileMissing, false, When::compat_calls,
         PK_ON_FILE},
    Hook{"on_single_file", "call/file", "file_change", kFileMissing, false, When::native_calls,
         PK_ON_FILE},
    Hook{"on_call_socket", "call/socket", "socket_call", kSocketMissing, false, When::compat_calls,
         PK_ON_SOCKET},
    Hook{"on_single_socket", "call/socket", "socket_call", kSocketMissing, false,
         When::native_calls, PK_ON_SOCKET},
    Hook{"on_ring_opened", "tp_btf/io_uring_complete", "file_open",
         "files that an io_uring opens are not seen"},
    Hook{"on_ring_open", kRingSubmission, "file_open",
         "files that an io_uring opens into its own table, and what it may not open, are not seen"},
    Hook{"on_ring_unlinked", "tp_btf/io_uring_fail_link", "file_open",
         "what an io_uring may not open is not seen as that, once it has given up many requests"},
    Hook{"on_ring_change", kRingSubmission, "file_change",
         "what an io_uring renames, links, removes or makes is not seen"},
    Hook{"on_ring_socket", "tp_btf/io_uring_complete", "socket_call",
         "raw and packet sockets that an io_uring makes, what it accepts, and its unix sockets are "
         "not seen"},
    Hook{"on_ring_socket_begins", kRingSubmission, "socket_call",
         "what an io_uring does with sockets is not seen where it asks for no answer"},
    Hook{"on_signal", "tp_btf/signal_generate", "system",
         "signals to processes of another lineage are not seen"},
    Hook{"on_oom", "tp_btf/mark_victim", "oom_kill",
         "processes that are killed because memory ran out are not told from others"},
    // After the handlers: from here on calls come in.
    Hook{kRawCalls, "tp_btf/sys_exit", "", "32-bit system calls are not seen", false,
         When::compat_calls},
    Hook{kSingleCalls, "tp/syscalls/sys_exit_*", "", "system calls are not seen", false,
         When::native_calls},
    Hook{kSetLineage, "syscall", "exec",
         "who drives a process is not known to controls in the kernel"},
    // They note down for the handlers, which take away what is noted.
    Hook{"on_lsm_file_open", "lsm/file_open", "",
         "one or two in a thousand opens are not seen as what they were while a thread of the "
         "process does nothing but swap their descriptor"},
    Hook{"on_lsm_path_mkdir", "lsm/path_mkdir", "", kNameMissing},
    Hook{"on_lsm_path_mknod", "lsm/path_mknod", "", kNameMissing},
    Hook{"on_lsm_path_unlink", "lsm/path_unlink", "", kNameMissing},
    Hook{"on_lsm_path_rmdir", "lsm/path_rmdir", "", kNameMissing},
    Hook{"on_lsm_path_chmod", "lsm/path_chmod", "", kNameMissing},
    Hook{"on_lsm_path_chown", "lsm/path_chown", "", kNameMissing},
    Hook{"on_lsm_path_truncate", "lsm/path_truncate", "", kNameMissing},
    Hook{"on_lsm_path_rename", "lsm/path_rename", "", kNameMissing},
    Hook{"on_lsm_path_link", "lsm/path_link", "", kNameMissing},
    Hook{"on_lsm_path_symlink", "lsm/path_symlink", "", kNameMissing},
    Hook{"on_lsm_inode_setxattr", "lsm/inode_setxattr", "", kAttributeMissing},
    Hook{"on_lsm_sb_mount", "lsm/sb_mount", "", kMountMissing},
    Hook{"on_lsm_sb_umount", "lsm/sb_umount", "", kMountMissing},
    Hook{"on_lsm_move_mount", "lsm/move_mount", "", kMountMissing},
    Hook{"on_lsm_sb_pivotroot", "lsm/sb_pivotroot", "", kMountMissing},
    Hook{"on_lsm_path_chroot", "lsm/path_chroot", "", kMountMissing},
    Hook{"on_cpu_look", "iter/task", "cpu_profile",
         "processes that keep processors busy are not seen"},
    Hook{"on_found", "iter.s/task", "found", "processes older than the agent are not known", false},
};

}  // namespace

std::span<const Hook> hooks() { return kHooks; }

}  // namespace picket
