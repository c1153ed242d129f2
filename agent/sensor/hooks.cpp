#include "agent/sensor/hooks.h"

#include <array>

namespace picket {
namespace {

using When = Hook::When;

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
    Hook{"on_sys_exit", "tp_btf/sys_exit", "stdio",
         "sockets bound to descriptors 0 to 2 by 32-bit calls are not seen", false,
         When::compat_calls},
    Hook{"on_dup", "tp/syscalls/sys_exit_dup", "stdio", "sockets bound by dup are not seen", false,
         When::native_calls},
    Hook{"on_dup2", "tp/syscalls/sys_exit_dup2", "stdio", "sockets bound by dup2 are not seen",
         false, When::native_calls},
    Hook{"on_dup3", "tp/syscalls/sys_exit_dup3", "stdio", "sockets bound by dup3 are not seen",
         false, When::native_calls},
    Hook{"on_fcntl", "tp/syscalls/sys_exit_fcntl", "stdio", "sockets bound by fcntl are not seen",
         false, When::native_calls},
    Hook{"on_found", "iter.s/task", "found", "processes older than the agent are not known", false},
};

}  // namespace

std::span<const Hook> hooks() { return kHooks; }

}  // namespace picket
