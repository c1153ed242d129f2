// The schema of every record, one block per struct of bpf/picket/events.h, and the table of events
// at the end. A new kernel event adds its block and its line in kEvents; without the line this file
// does not compile. Immutable data; included by schema.cpp only.
#pragma once

#include <netinet/in.h>

#include "agent/event/field.h"

namespace picket::schema {

inline constexpr std::array kFdKinds = std::to_array<Word>({
    {PK_FD_NONE, "none"},
    {PK_FD_FILE, "file"},
    {PK_FD_DIR, "dir"},
    {PK_FD_CHAR, "char"},
    {PK_FD_NULL, "null"},
    {PK_FD_TTY, "tty"},
    {PK_FD_BLOCK, "block"},
    {PK_FD_PIPE, "pipe"},
    {PK_FD_FIFO, "fifo"},
    {PK_FD_INET, "inet"},
    {PK_FD_UNIX, "unix"},
    {PK_FD_SOCKET, "socket"},
    {PK_FD_ANON, "anon"},
});
static_assert(kFdKinds.size() == PK_FD_KIND_END, "every pk_fd_kind needs a word");

inline constexpr std::array kDirections = std::to_array<Word>({
    {PK_DIR_UNKNOWN, "unknown"},
    {PK_DIR_OUTBOUND, "outbound"},
    {PK_DIR_INBOUND, "inbound"},
    {PK_DIR_LISTEN, "listen"},
});
static_assert(kDirections.size() == PK_DIR_END, "every pk_direction needs a word");

inline constexpr std::array kLayers = std::to_array<Word>({
    {PK_LAYER_UNKNOWN, "unknown"},
    {PK_LAYER_IMAGE, "image"},
    {PK_LAYER_UPPER, "upper"},
    {PK_LAYER_MEMFD, "memfd"},
    {PK_LAYER_DELETED, "deleted"},
    {PK_LAYER_MOUNT, "mount"},
});
static_assert(kLayers.size() == PK_LAYER_END, "every pk_layer needs a word");

inline constexpr std::array kConnectSources = std::to_array<Word>({
    {PK_CONNECT_CGROUP, "cgroup"},
    {PK_CONNECT_STATE, "state"},
    {PK_CONNECT_SENDMSG, "sendmsg"},
});
static_assert(kConnectSources.size() == PK_CONNECT_SOURCE_END - 1,
              "every pk_connect_source needs a word");

inline constexpr std::array kAttaches = std::to_array<Word>({
    {0, "none"},
    {PK_ATTACH_ENTER, "enter"},
    {PK_ATTACH_LEAVE, "leave"},
});
static_assert(kAttaches.size() == PK_ATTACH_END, "every pk_attach needs a word");

inline constexpr std::array kFamilies = std::to_array<Word>({
    {AF_INET, "ipv4"},
    {AF_INET6, "ipv6"},
    {AF_UNIX, "unix"},
    {AF_NETLINK, "netlink"},
    {AF_PACKET, "packet"},
    {AF_VSOCK, "vsock"},
    {AF_ALG, "alg"},
    {AF_BLUETOOTH, "bluetooth"},
    {AF_CAN, "can"},
    {AF_TIPC, "tipc"},
    {AF_XDP, "xdp"},
});

inline constexpr std::array kProtocols = std::to_array<Word>({
    {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},
    {IPPROTO_ICMP, "icmp"},
    {IPPROTO_ICMPV6, "icmpv6"},
    {IPPROTO_SCTP, "sctp"},
    {IPPROTO_DCCP, "dccp"},
    {IPPROTO_UDPLITE, "udplite"},
    {IPPROTO_RAW, "raw"},
});

// pk_header: at the front of every event.
inline constexpr std::array kHeader = std::to_array<FieldRow>({
    field<&pk_header::time_ns>("time_ns", "When it happened, nanoseconds of CLOCK_BOOTTIME"),
    field<&pk_header::pid>("pid", "Process id (thread group) in the initial pid namespace"),
    field<&pk_header::tid>("tid", "Thread id in the initial pid namespace"),
    id<&pk_header::uid>("uid", "Effective user id in the initial user namespace"),
    field<&pk_header::start_ns>("start_ns",
                                "Start of the process; with pid its key, which survives pid reuse"),
    field<&pk_header::cgroup_id>("cgroup_id", "Cgroup v2 id of the process's workspace; 0: none"),
    flag<PK_COMPAT>("compat", "The call was made through the 32-bit interface"),
    flag<PK_TRUNCATED>("truncated", "Some string of the record did not fit"),
    flag<PK_EXEC_IN>("exec_in", "The process was put into the workspace from outside"),
});

// pk_fd: descriptors 0, 1 and 2, as "fd0.kind" and so on.
template <size_t Size>
struct Text {
  char chars[Size]{};
  consteval Text(const char (&text)[Size]) { std::copy_n(text, Size, chars); }
};
template <size_t Index, Text Member>
struct FdName {
  static constexpr auto kChars = [] {
    std::array<char, sizeof(Member.chars) + 3> chars{'f', 'd', static_cast<char>('0' + Index)};
    std::copy_n(Member.chars, sizeof(Member.chars) - 1, chars.begin() + 3);
    return chars;
  }();
  static constexpr std::string_view kName{kChars.data(), kChars.size() - 1};
};

template <auto Array, size_t Index>
constexpr auto descriptor() {
  using Kind = InFd<Array, Index, &pk_fd::kind>;
  using Family = InFd<Array, Index, &pk_fd::family>;
  using LocalPort = InFd<Array, Index, &pk_fd::local_port>;
  using RemotePort = InFd<Array, Index, &pk_fd::remote_port>;
  using Inet = KindIs<Kind, PK_FD_INET>;
  using Socket = KindIs<Kind, PK_FD_INET, PK_FD_UNIX, PK_FD_SOCKET>;
  using Inode = InFd<Array, Index, &pk_fd::inode>;
  return std::to_array<FieldRow>({
      word_at<Kind, kFdKinds, Values::closed>(FdName<Index, ".kind">::kName,
                                              "What the descriptor is; none: closed"),
      word_at<Family, kFamilies, Values::open, Socket>(FdName<Index, ".family">::kName,
                                                       "Address family of the socket"),
      word_at<InFd<Array, Index, &pk_fd::proto>, kProtocols, Values::open, Inet>(
          FdName<Index, ".proto">::kName, "Transport protocol of the IP socket"),
      word_at<InFd<Array, Index, &pk_fd::direction>, kDirections, Values::closed, Inet>(
          FdName<Index, ".direction">::kName, "Who opened the connection behind the IP socket"),
      address_at<InFd<Array, Index, &pk_fd::local_addr>, Family, Inet>(
          FdName<Index, ".local_addr">::kName, "Own address of the IP socket"),
      number_at<LocalPort, Inet>(FdName<Index, ".local_port">::kName, "Own port of the IP socket"),
      address_at<InFd<Array, Index, &pk_fd::remote_addr>, Family, Inet>(
          FdName<Index, ".remote_addr">::kName, "Peer's address of the IP socket"),
      number_at<RemotePort, Inet>(FdName<Index, ".remote_port">::kName,
                                  "Peer's port of the IP socket"),
      number_at<Inode, NotZero<Kind>>(FdName<Index, ".inode">::kName,
                                      "Inode number; the two ends of a pipe have the same"),
  });
}
template <auto Array>
inline constexpr auto kDescriptors = concat(descriptor<Array, 0>(), descriptor<Array, 1>(),
                                            descriptor<Array, 2>());

// pk_fork
inline constexpr auto kFork = concat(
    kHeader, std::to_array<FieldRow>({
                 field<&pk_fork::parent_pid>("parent_pid", "Process id of the parent"),
                 field<&pk_fork::parent_start_ns>("parent_start_ns",
                                                  "Start of the parent; with parent_pid its key"),
                 field<&pk_fork::vpid>("vpid", "Process id of the child in its own pid namespace"),
                 field<&pk_fork::clone_flags>(
                     "clone_flags", "Flags of the clone call; 0 where the kernel does not tell"),
                 field<&pk_fork::comm>("comm", "Kernel name of the child, at most 15 bytes"),
             }));

// pk_exec, also for processes found at start
inline constexpr auto kExec = concat(
    kHeader,
    std::to_array<FieldRow>({
        field<&pk_exec::parent_pid>("parent_pid", "Process id of the parent"),
        field<&pk_exec::parent_start_ns>("parent_start_ns",
                                         "Start of the parent; with parent_pid its key"),
        field<&pk_exec::vpid>("vpid", "Process id in its own pid namespace"),
        field<&pk_exec::session>("session", "Session leader's process id"),
        field<&pk_exec::group>("group", "Process group"),
        id<&pk_exec::ruid>("ruid", "Real user id"),
        id<&pk_exec::euid>("euid", "Effective user id"),
        id<&pk_exec::suid>("suid", "Saved user id"),
        id<&pk_exec::rgid>("rgid", "Real group id"),
        id<&pk_exec::egid>("egid", "Effective group id"),
        id<&pk_exec::loginuid>("loginuid", "User id of the login session; -1: never set"),
        field<&pk_exec::cap_effective>("cap_effective", "Effective capabilities, one bit each"),
        field<&pk_exec::cap_permitted>("cap_permitted", "Permitted capabilities, one bit each"),
        field<&pk_exec::mnt_ns>("mnt_ns", "Inode number of the mount namespace"),
        field<&pk_exec::pid_ns>("pid_ns", "Inode number of the pid namespace"),
        field<&pk_exec::net_ns>("net_ns", "Inode number of the network namespace"),
        field<&pk_exec::user_ns>("user_ns", "Inode number of the user namespace"),
        field<&pk_exec::exe_inode>("exe_inode", "Inode number of the executable"),
        field<&pk_exec::exe_ctime_ns>(
            "exe_ctime_ns", "Last change of the executable's inode, nanoseconds since the epoch"),
        field<&pk_exec::exe_dev>(
            "exe_dev", "Device of the executable as the kernel numbers it, never that of stat()"),
        field<&pk_exec::exe_nlink>("exe_nlink",
                                   "Links to the executable; 0: it has no name any more"),
        word<&pk_exec::layer, kLayers, Values::closed>("layer",
                                                       "Where the bytes of the program come from"),
        truth<&pk_exec::tty>("tty", "The session has a controlling terminal"),
        field<&pk_exec::argc>("argc", "Number of arguments"),
        field<&pk_exec::tty_nr>("tty_nr", "Device number of the controlling terminal"),
        field<&pk_exec::comm>("comm", "Kernel name of the process, at most 15 bytes"),
        field<&pk_exec::exe>("exe", "Path of the executable as the process sees it"),
        field<&pk_exec::filename>("filename", "Path as it was passed to the call"),
        field<&pk_exec::interp>("interp", "Interpreter that runs a script; empty for a binary"),
        field<&pk_exec::cwd>("cwd", "Working directory"),
        list<&pk_exec::argv, &pk_exec::argc>("argv", "Arguments, the program's name first"),
    }),
    kDescriptors<&pk_exec::fd>);

// pk_exit
inline constexpr auto kExit =
    concat(kHeader, std::to_array<FieldRow>({
                        field<&pk_exit::code>("code", "Exit status, 0 to 255"),
                        field<&pk_exit::signal>("signal", "Signal that ended the process; 0: none"),
                    }));

// pk_connect
using Bound = NotZero<At<&pk_connect::local_port>>;
inline constexpr auto kConnect = concat(
    kHeader,
    std::to_array<FieldRow>({
        field<&pk_connect::socket, NotZero<At<&pk_connect::socket>>>("socket", "Socket cookie"),
        word<&pk_connect::source, kConnectSources, Values::closed>("source", "Which hook saw it"),
        word<&pk_connect::family, kFamilies, Values::open>("family", "Address family"),
        word<&pk_connect::proto, kProtocols, Values::open>("proto", "Transport protocol"),
        truth<&pk_connect::denied>("denied", "A control refused the connection"),
        address<&pk_connect::local_addr, &pk_connect::family, Bound>("local_addr",
                                                                     "Own address, once bound"),
        field<&pk_connect::local_port, Bound>("local_port", "Own port, once bound"),
        address<&pk_connect::remote_addr, &pk_connect::family>("remote_addr", "Peer's address"),
        field<&pk_connect::remote_port>("remote_port", "Peer's port"),
        field<&pk_connect::comm>("comm", "Kernel name of the process, at most 15 bytes"),
    }));

// pk_stdio
inline constexpr auto kStdio = concat(
    kHeader,
    std::to_array<FieldRow>({
        below<&pk_stdio::target, 3>("target", "Descriptor that was replaced: 0, 1 or 2"),
        field<&pk_stdio::source>(
            "source", "Descriptor it was copied from; the target itself: connected in place"),
    }),
    kDescriptors<&pk_stdio::fd>);

// pk_cgroup
inline constexpr auto kCgroup = concat(
    kHeader, std::to_array<FieldRow>({
                 field<&pk_cgroup::id>("id", "The cgroup itself: the workspace's, or one below it"),
                 field<&pk_cgroup::parent_id>("parent_id", "The cgroup above it"),
                 field<&pk_cgroup::level>("level", "Depth below the root cgroup"),
                 word<&pk_cgroup::attach, kAttaches, Values::closed>(
                     "attach", "Whether a task entered the workspace or left it"),
                 field<&pk_cgroup::path>("path", "Path of the cgroup from the cgroup root"),
             }));

inline constexpr std::array kEvents = std::to_array<EventRow>({
    event<pk_fork, kFork>(PK_FORK, "fork", "A process was created"),
    event<pk_exec, kExec>(PK_EXEC, "exec", "A process runs a new program"),
    event<pk_exec, kExec>(PK_FOUND, "found", "A process that already ran when the agent started"),
    event<pk_exit, kExit>(PK_EXIT, "exit", "The last thread of a process ended"),
    event<pk_connect, kConnect>(PK_CONNECT, "connect", "An outgoing connection was asked for"),
    event<pk_stdio, kStdio>(PK_STDIO, "stdio",
                            "A socket was bound to descriptor 0, 1 or 2 of a running program, or "
                            "connected while it was 0 and 1"),
    event<pk_cgroup, kCgroup>(PK_CGROUP_MKDIR, "cgroup_mkdir",
                              "A workspace's cgroup, or one below it, was made"),
    event<pk_cgroup, kCgroup>(PK_CGROUP_RMDIR, "cgroup_rmdir", "A watched cgroup was removed"),
    event<pk_cgroup, kCgroup>(PK_CGROUP_ATTACH, "cgroup_attach",
                              "A task entered a workspace or left its cgroup"),
});

consteval bool in_order() {
  for (size_t i = 0; i < kEvents.size(); ++i) {
    if (kEvents[i].type != i + 1) return false;
  }
  return true;
}
static_assert(kEvents.size() == PK_TYPE_END - 1 && in_order(),
              "every pk_type needs its schema, in order");

}  // namespace picket::schema
