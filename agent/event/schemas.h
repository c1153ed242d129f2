// The schema of every record, one block per struct of bpf/picket/events.h, and the table of events
// at the end. A new kernel event adds its block and its line in kEvents; without the line this file
// does not compile. Immutable data; included by schema.cpp only.
#pragma once

#include "agent/event/field.h"
#include "agent/event/resource_schemas.h"
#include "agent/event/schema_header.h"
#include "agent/event/words.h"

namespace picket::schema {

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
        id<&pk_exec::suid>("suid", "Saved user id"),
        id<&pk_exec::rgid>("rgid", "Real group id"),
        id<&pk_exec::loginuid>("loginuid", "User id of the login session; -1: never set"),
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

// pk_system
using Target = NotZero<At<&pk_system::target_start_ns>>;
using ToldTarget = NotZero<At<&pk_system::target_is_told>>;
inline constexpr auto kSystem = concat(
    kHeader,
    std::to_array<FieldRow>({
        field<&pk_system::result>("result", "What the call returned; negative: the error"),
        element<&pk_system::argument, 0>("argument0", "First argument, as in its register"),
        element<&pk_system::argument, 1>("argument1", "Second argument"),
        element<&pk_system::argument, 2>("argument2", "Third argument"),
        element<&pk_system::argument, 3>("argument3", "Fourth argument"),
        element<&pk_system::argument, 4>("argument4", "Fifth argument"),
        element<&pk_system::argument, 5>("argument5", "Sixth argument"),
        field<&pk_system::target_pid, Target>("target_pid", "Process that an argument names"),
        field<&pk_system::target_start_ns, Target>("target_start_ns",
                                                   "Its start; with target_pid its key"),
        field<&pk_system::target_cgroup_id, Target>("target_cgroup_id",
                                                    "The workspace it belongs to; 0: none"),
        truth<&pk_system::target_is_told>("target_is_told",
                                          "Its user, rights and name (text0) are told"),
        field<&pk_system::target_uid, ToldTarget>("target_uid", "Its effective user id"),
        truth<&pk_system::target_more_privileged>("target_more_privileged",
                                                  "It has rights that the caller has not"),
        field<&pk_system::mnt_ns>("mnt_ns", "Inode number of the mount namespace after the call"),
        field<&pk_system::pid_ns>("pid_ns",
                                  "Inode number of the pid namespace of its children to come"),
        field<&pk_system::net_ns>("net_ns", "Inode number of the network namespace after the call"),
        field<&pk_system::user_ns>("user_ns", "Inode number of the user namespace after the call"),
        field<&pk_system::cgroup_ns>("cgroup_ns",
                                     "Inode number of the cgroup namespace after the call"),
        field<&pk_system::comm>("comm", "Kernel name of the process, at most 15 bytes"),
        element_text<&pk_system::text, 0>("text0",
                                          "First argument that is a text, as passed; of a call "
                                          "that names a process the name of that"),
        element_text<&pk_system::text, 1>("text1", "Second argument that is a text"),
        element_text<&pk_system::text, 2>("text2", "Third argument that is a text"),
        field<&pk_system::object>("object", "What the call made, named by the kernel"),
    }));

// pk_object: what a file is, in pk_open and pk_file.
template <auto Object>
constexpr auto object() {
  using Kind = InObject<Object, &pk_object::kind>;
  using Known = NotZero<Kind>;
  using ProcPid = InObject<Object, &pk_object::proc_pid>;
  using Mounts = InObject<Object, &pk_object::mnt_ns>;
  return std::to_array<FieldRow>({
      word_at<Kind, kFdKinds, Values::closed>("kind",
                                              "What it is; none: nothing is known of the file"),
      number_at<InObject<Object, &pk_object::inode>, Known>("inode", "Inode number"),
      number_at<InObject<Object, &pk_object::dev>, Known>(
          "dev", "Device as the kernel numbers it, never that of stat()"),
      number_at<InObject<Object, &pk_object::rdev>, Known>("rdev",
                                                           "Of a device its number, as the kernel"),
      number_at<InObject<Object, &pk_object::mode>, Known>("mode", "Type and permission bits"),
      number_at<InObject<Object, &pk_object::owner>, Known>("owner", "User id of its owner"),
      number_at<InObject<Object, &pk_object::group>, Known>("group", "Group id of its owner"),
      number_at<InObject<Object, &pk_object::nlink>, Known>("nlink", "Names it has; 0: deleted"),
      number_at<InObject<Object, &pk_object::magic>, Known>("magic",
                                                            "Which file system, by number"),
      number_at<ProcPid, NotZero<ProcPid>>("proc_pid",
                                           "The process below whose /proc directory it lies"),
      word_at<InObject<Object, &pk_object::layer>, kLayers, Values::closed, Known>(
          "layer", "Where it is from: the image, written since, memory, another file system"),
      truth_at<InObject<Object, &pk_object::foreign>>(
          "foreign", "It lies on another file system than the process's root"),
      number_at<Mounts, NotZero<Mounts>>("mnt_ns",
                                         "Mount namespace that it was reached through, if that is "
                                         "not the process's own"),
  });
}

// pk_open
inline constexpr auto kOpen = concat(
    kHeader, object<&pk_open::object>(),
    std::to_array<FieldRow>({
        field<&pk_open::result>("result", "The descriptor; negative: the error"),
        field<&pk_open::flags>("flags", "O_* bits"),
        field<&pk_open::asked_mode>("asked_mode", "Permission bits asked for a new file"),
        field<&pk_open::repeats>("repeats", "The same again since this was last told"),
        field<&pk_open::interest>("interest", "Why it is told for every process, bits"),
        truth<&pk_open::reads>("reads", "The descriptor can be read from"),
        truth<&pk_open::writes>("writes", "The descriptor can be written to"),
        truth<&pk_open::created>("created", "The call made the file"),
        field<&pk_open::comm>("comm", "Kernel name of the process, at most 15 bytes"),
        field<&pk_open::path>("path", "Path as the process sees it, from the kernel's file"),
        field<&pk_open::raw>("raw", "Path as it was passed"),
        field<&pk_open::directory>("directory",
                                   "Of a failed open, what a relative path starts from"),
        field<&pk_open::inner>("inner", "Of what is of interest its path in its own file system"),
    }));

// pk_file
inline constexpr auto kFile = concat(
    kHeader, object<&pk_file::object>(),
    std::to_array<FieldRow>({
        field<&pk_file::result>("result", "What the call returned; negative: the error"),
        field<&pk_file::size>("size", "Of truncate the new length"),
        field<&pk_file::asked_mode>("asked_mode", "Mode asked for by mkdir, mknod and chmod"),
        id<&pk_file::asked_owner>("asked_owner", "User id asked for by chown; -1: stays"),
        id<&pk_file::asked_group>("asked_group", "Group id asked for by chown; -1: stays"),
        field<&pk_file::asked_rdev>("asked_rdev", "Of mknod the device number as passed"),
        field<&pk_file::flags>("flags", "Flags of the call"),
        field<&pk_file::comm>("comm", "Kernel name of the process, at most 15 bytes"),
        field<&pk_file::path>("path", "What is changed"),
        field<&pk_file::directory>("directory", "Where a relative path starts from"),
        field<&pk_file::path2>("path2", "Of rename and link the new name, of symlink its text"),
        field<&pk_file::directory2>("directory2", "Where a relative path2 starts from"),
        field<&pk_file::name>("name", "Of setxattr the attribute"),
    }));

// pk_ends: of every record that is about one socket.
template <auto Ends>
constexpr auto ends() {
  using Family = InObject<Ends, &pk_ends::family>;
  using Proto = InObject<Ends, &pk_ends::proto>;
  using Inet = KindIs<Family, AF_INET, AF_INET6>;
  using Local = InObject<Ends, &pk_ends::local_port>;
  using Remote = InObject<Ends, &pk_ends::remote_port>;
  using Cookie = InObject<Ends, &pk_ends::socket>;
  return std::to_array<FieldRow>({
      number_at<Cookie, NotZero<Cookie>>("socket", "Socket cookie"),
      word_at<Family, kFamilies, Values::open>("family", "Address family"),
      word_at<Proto, kProtocols, Values::open, Inet>("proto", "Transport protocol"),
      word_at<InObject<Ends, &pk_ends::direction>, kDirections, Values::closed>(
          "direction", "Who opened the connection"),
      word_at<InObject<Ends, &pk_ends::kind>, kSocketKinds, Values::open>("kind",
                                                                          "Type of the socket"),
      address_at<InObject<Ends, &pk_ends::local_addr>, Family, NotZero<Local>>(
          "local_addr", "Own address, once bound"),
      number_at<Local, NotZero<Local>>("local_port", "Own port, once bound"),
      address_at<InObject<Ends, &pk_ends::remote_addr>, Family, NotZero<Remote>>("remote_addr",
                                                                                 "Peer's address"),
      number_at<Remote, NotZero<Remote>>("remote_port", "Peer's port"),
  });
}

// pk_socket
using UnixPeer = NotZero<At<&pk_socket::peer_pid>>;
inline constexpr auto kSocket =
    concat(kHeader, ends<&pk_socket::ends>(),
           std::to_array<FieldRow>({
               field<&pk_socket::result>("result", "What the call returned; negative: the error"),
               field<&pk_socket::protocol>("protocol", "Protocol as asked of socket()"),
               field<&pk_socket::peer_pid, UnixPeer>("peer_pid",
                                                     "Process at the other end of a unix socket"),
               field<&pk_socket::peer_start_ns, UnixPeer>(
                   "peer_start_ns", "Its start; with peer_pid its key; 0: ended"),
               field<&pk_socket::peer_cgroup_id, UnixPeer>("peer_cgroup_id",
                                                           "The workspace it belongs to; 0: none"),
               field<&pk_socket::comm>("comm", "Kernel name of the process, at most 15 bytes"),
               field<&pk_socket::path>(
                   "path", "Path of the unix socket; an abstract name has an @ in front"),
           }));

// pk_flow
inline constexpr auto kFlow =
    concat(kHeader, ends<&pk_flow::ends>(),
           std::to_array<FieldRow>({
               field<&pk_flow::opened_ns>("opened_ns", "When it was opened, as time_ns"),
               field<&pk_flow::bytes_in>("bytes_in", "Payload received since then"),
               field<&pk_flow::bytes_out>("bytes_out", "Payload sent since then"),
               truth<&pk_flow::closed>("closed", "Nothing more will move"),
           }));

// pk_dns
inline constexpr auto kDns =
    concat(kHeader, ends<&pk_dns::ends>(),
           std::to_array<FieldRow>({
               truth<&pk_dns::answer>("answer", "It came in"),
               field<&pk_dns::message>("message", "The message as on the wire"),
           }));

// pk_payload
inline constexpr auto kPayload = concat(
    kHeader, ends<&pk_payload::ends>(),
    std::to_array<FieldRow>({
        field<&pk_payload::data>("data", "The first bytes that were sent"),
        field<&pk_payload::received>("received", "Bytes that the other side had sent before"),
    }));

// pk_holds
inline constexpr auto kHolds =
    concat(kHeader, std::to_array<FieldRow>({
                        below<&pk_holds::count, PK_HELD_MAX + 1>("count", "Descriptors it tells"),
                    }));

// pk_relayed
inline constexpr auto kRelayed = concat(
    kHeader, ends<&pk_relayed::ends>(),
    std::to_array<FieldRow>({
        field<&pk_relayed::relay_pid>("relay_pid", "Process that has the connection"),
        field<&pk_relayed::relay_start_ns>("relay_start_ns", "Its start; with relay_pid its key"),
        field<&pk_relayed::steps>("steps", "Processes between the connection and the input"),
        truth<&pk_relayed::loop>("loop", "Standard input and output of the two are each other's"),
        truth<&pk_relayed::payload>("raw_payload",
                                    "What the connection sent first is of no known protocol"),
        truth<&pk_relayed::same>("same", "One process has the connection for both directions"),
        truth<&pk_relayed::commands>("commands",
                                     "The connection is its own, and it runs what that asks for"),
    }));

// pk_started
inline constexpr auto kStarted =
    concat(kHeader, std::to_array<FieldRow>({
                        truth<&pk_started::found>("found", "It ran before the agent did"),
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
    event<pk_system, kSystem>(PK_SYSTEM, "system", "A system call whose arguments tell all"),
    event<pk_open, kOpen>(PK_OPEN, "file_open", "A file was opened, or that was refused"),
    event<pk_file, kFile>(PK_FILE, "file_change", "A name or an attribute of a file was changed"),
    event<pk_socket, kSocket>(PK_SOCKET, "socket_call",
                              "A socket was made, named, listens or accepted, or a unix socket "
                              "connects or sends a datagram to a name"),
    event<pk_flow, kFlow>(PK_FLOW, "flow", "What moved through a connection so far"),
    event<pk_dns, kDns>(PK_DNS, "dns", "A DNS question or answer"),
    event<pk_payload, kPayload>(PK_PAYLOAD, "payload",
                                "The first bytes that an outgoing TCP connection sends"),
    event<pk_oom, kOom>(PK_OOM, "oom_kill", "A process is killed because memory ran out"),
    event<pk_cpu, kCpu>(PK_CPU, "cpu_profile", "A process kept processors busy for an interval"),
    event<pk_holds, kHolds>(PK_HOLDS, "holds",
                            "What a process with a connection holds of pipes, terminals, sockets"),
    event<pk_relayed, kRelayed>(PK_RELAYED, "relayed",
                                "A program's input and output go through other processes to a "
                                "connection that the workspace opened"),
    event<pk_started, kStarted>(PK_STARTED, "workspace_started",
                                "A workspace's first program, once its runtime told how the "
                                "workspace is set apart from the node"),
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
