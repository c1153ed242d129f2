// proc.stdin.*, proc.stdout.*, proc.stderr.*: what descriptors 0, 1 and 2 of the process are. The
// state is that of the last exec, kept current by the events that bind a socket to one of them, so
// these fields mean the same on every event.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

const pk_fd& descriptor(const FieldRequest& request, size_t index) {
  return request.observation.process.fd[index];
}

std::string_view kind_word(size_t i) {
  return i < PK_FD_KIND_END ? fd_kind_name(static_cast<uint8_t>(i)) : std::string_view();
}
std::string_view direction_word(size_t i) {
  return i < PK_DIR_END ? direction_name(static_cast<uint8_t>(i)) : std::string_view();
}
std::string_view protocol_word(size_t i) {
  constexpr std::array<std::string_view, 2> kWords{"tcp", "udp"};
  return i < kWords.size() ? kWords[i] : std::string_view();
}

IpAddress address(const pk_fd& fd, const uint8_t (&bytes)[16]) {
  IpAddress address;
  address.v6 = fd.family == AF_INET6;
  std::copy_n(bytes, address.v6 ? 16 : 4, address.bytes.begin());
  return address;
}

template <size_t Index>
void read_kind(const FieldRequest& request, FieldResult& result) {
  result.add(fd_kind_name(descriptor(request, Index).kind));
}

template <size_t Index>
void read_direction(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind == PK_FD_INET) result.add(direction_name(fd.direction));
}

template <size_t Index>
void read_protocol(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind != PK_FD_INET) return;
  if (fd.proto == IPPROTO_TCP) result.add(std::string_view("tcp"));
  if (fd.proto == IPPROTO_UDP) result.add(std::string_view("udp"));
}

template <size_t Index>
void read_local_ip(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind == PK_FD_INET) result.add(address(fd, fd.local_addr));
}
template <size_t Index>
void read_remote_ip(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind == PK_FD_INET) result.add(address(fd, fd.remote_addr));
}

template <size_t Index, auto Member>
void read_port(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind == PK_FD_INET) result.add(static_cast<int64_t>(fd.*Member));
}

template <size_t Index>
void read_inode(const FieldRequest& request, FieldResult& result) {
  const pk_fd& fd = descriptor(request, Index);
  if (fd.kind != PK_FD_NONE) result.add(static_cast<int64_t>(fd.inode));
}

// A socket that was connected since is another thing than what the parent was known to have: dup2
// first, connect then, and the child's connection is not the parent's bare socket. The local port
// may be chosen later, so it does not count.
bool same(const pk_fd& a, const pk_fd& b) {
  return a.kind != PK_FD_NONE && a.kind == b.kind && a.inode == b.inode &&
         a.direction == b.direction && a.remote_port == b.remote_port &&
         std::ranges::equal(a.remote_addr, b.remote_addr);
}

void read_inherited(const FieldRequest& request, FieldResult& result) {
  const Process& process = request.observation.process;
  const Process* parent = process.parent;
  result.add(parent != nullptr && same(process.fd[0], parent->fd[0]) &&
             same(process.fd[1], parent->fd[1]));
}

template <size_t Index>
void read_one_inherited(const FieldRequest& request, FieldResult& result) {
  const Process& process = request.observation.process;
  const Process* parent = process.parent;
  result.add(parent != nullptr && same(process.fd[Index], parent->fd[Index]));
}

// The names and texts of one descriptor's fields.
struct Names {
  std::string_view kind, direction, protocol, local_ip, local_port, remote_ip, remote_port, inode;
};

template <size_t Index>
std::array<Field, 8> fields_of(const Names& names) {
  using enum FieldType;
  constexpr auto known = Trait::inet;  // of no IP socket all but the kind is missing
  return {{
      decided_by(known, {names.kind, text,
                         "What it is: none file dir char null tty block pipe fifo inet unix socket "
                         "anon",
                         read_kind<Index>, Values::one, Argument::none, kAllEvents, kind_word}),
      decided_by(known,
                 {names.direction, text,
                  "Of an IP socket, who opened the connection: outbound inbound listen unknown",
                  read_direction<Index>, Values::one, Argument::none, kAllEvents, direction_word}),
      decided_by(known, {names.protocol, text, "Of an IP socket: tcp udp", read_protocol<Index>,
                         Values::one, Argument::none, kAllEvents, protocol_word}),
      decided_by(known,
                 {names.local_ip, ip, "Of an IP socket, its own address", read_local_ip<Index>}),
      decided_by(known, {names.local_port, number, "Of an IP socket, its own port",
                         read_port<Index, &pk_fd::local_port>}),
      decided_by(known, {names.remote_ip, ip, "Of an IP socket, the peer's address",
                         read_remote_ip<Index>}),
      decided_by(known, {names.remote_port, number, "Of an IP socket, the peer's port",
                         read_port<Index, &pk_fd::remote_port>}),
      {names.inode, number, "Inode number; the two ends of a pipe have the same",
       read_inode<Index>},
  }};
}

}  // namespace

std::span<const Field> descriptor_fields() {
  static const auto kFields = [] {
    std::vector<Field> fields;
    const auto append = [&](const auto& more) {
      fields.insert(fields.end(), more.begin(), more.end());
    };
    append(fields_of<0>({"proc.stdin.kind", "proc.stdin.direction", "proc.stdin.proto",
                         "proc.stdin.local_ip", "proc.stdin.local_port", "proc.stdin.remote_ip",
                         "proc.stdin.remote_port", "proc.stdin.inode"}));
    append(fields_of<1>({"proc.stdout.kind", "proc.stdout.direction", "proc.stdout.proto",
                         "proc.stdout.local_ip", "proc.stdout.local_port", "proc.stdout.remote_ip",
                         "proc.stdout.remote_port", "proc.stdout.inode"}));
    append(fields_of<2>({"proc.stderr.kind", "proc.stderr.direction", "proc.stderr.proto",
                         "proc.stderr.local_ip", "proc.stderr.local_port", "proc.stderr.remote_ip",
                         "proc.stderr.remote_port", "proc.stderr.inode"}));
    fields.push_back(
        {"proc.stdio.inherited", FieldType::boolean,
         "Descriptors 0 and 1 are the same files, with the same peer, as those of the parent",
         read_inherited});
    fields.push_back({"proc.stdin.inherited", FieldType::boolean,
                      "Descriptor 0 is the same file, with the same peer, as the parent's",
                      read_one_inherited<0>});
    fields.push_back({"proc.stdout.inherited", FieldType::boolean,
                      "Descriptor 1 is the same file, with the same peer, as the parent's",
                      read_one_inherited<1>});
    return fields;
  }();
  return kFields;
}

}  // namespace picket::rule
