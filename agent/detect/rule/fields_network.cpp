// fd.*: the socket of a network event. Local and remote are this process's side and the other;
// server and client are who waits and who calls: of an accepted connection the server is this side.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "agent/detect/rule/field.h"
#include "agent/detect/rule/file_values.h"

namespace picket::rule {
namespace {

constexpr EventMask kSockets = mask_of(PK_CONNECT) | mask_of(PK_SOCKET) | mask_of(PK_FLOW) |
                               mask_of(PK_DNS) | mask_of(PK_PAYLOAD) | mask_of(PK_STDIO);

struct Socket {
  pk_ends ends{};
  std::string_view path;  // of a unix socket
  bool has_remote = false;
  bool connected = false;  // the socket, not just this datagram

  bool is_ip() const { return ends.family == AF_INET || ends.family == AF_INET6; }
  // It waits for others: it listens, was accepted, or was given a name.
  bool is_server() const {
    return ends.direction != PK_DIR_OUTBOUND && !(!is_bound() && has_remote);
  }
  bool is_bound() const { return ends.local_port != 0; }
};

Socket of_connect(const pk_connect& connect) {
  Socket socket;
  socket.has_remote = true;
  socket.connected = connect.source != PK_CONNECT_SENDMSG;
  pk_ends& ends = socket.ends;
  ends.family = connect.family;
  ends.proto = connect.proto;
  ends.direction = PK_DIR_OUTBOUND;
  ends.local_port = connect.local_port;
  ends.remote_port = connect.remote_port;
  std::ranges::copy(connect.local_addr, ends.local_addr);
  std::ranges::copy(connect.remote_addr, ends.remote_addr);
  return socket;
}

// The socket that a descriptor was made to be.
std::optional<Socket> of_stdio(const pk_stdio& stdio) {
  const pk_fd& fd = stdio.fd[stdio.target];
  if (fd.kind != PK_FD_INET && fd.kind != PK_FD_UNIX) return std::nullopt;
  Socket socket;
  pk_ends& ends = socket.ends;
  ends.family = fd.family;
  ends.proto = fd.proto;
  ends.direction = fd.direction;
  ends.local_port = fd.local_port;
  ends.remote_port = fd.remote_port;
  std::ranges::copy(fd.local_addr, ends.local_addr);
  std::ranges::copy(fd.remote_addr, ends.remote_addr);
  socket.has_remote = socket.connected = ends.remote_port != 0;
  return socket;
}

std::optional<Socket> socket_of(const FieldRequest& request) {
  const Event& event = request.observation.event;
  if (const auto* connect = event.as<pk_connect>()) return of_connect(*connect);
  if (const auto* stdio = event.as<pk_stdio>()) return of_stdio(*stdio);
  Socket socket;
  if (const auto* call = event.as<pk_socket>()) {
    socket.ends = call->ends;
    socket.path = event.text(call->path);
    socket.connected = call->result >= 0 && (call->ends.direction == PK_DIR_INBOUND ||
                                             call->header.call == PK_CALL_connect);
  } else if (const auto* flow = event.as<pk_flow>()) {
    socket.ends = flow->ends;
    socket.connected = true;
  } else if (const auto* dns = event.as<pk_dns>()) {
    socket.ends = dns->ends;
  } else if (const auto* payload = event.as<pk_payload>()) {
    socket.ends = payload->ends;
    socket.connected = true;
  } else {
    return std::nullopt;
  }
  socket.has_remote = socket.ends.remote_port != 0;
  return socket;
}

IpAddress address(const Socket& socket, const uint8_t (&bytes)[16]) {
  IpAddress address;
  address.v6 = socket.ends.family == AF_INET6;
  std::copy_n(bytes, address.v6 ? 16 : 4, address.bytes.begin());
  return address;
}

void add_local_ip(const Socket& socket, FieldResult& result) {
  if (socket.is_bound()) result.add(address(socket, socket.ends.local_addr));
}
void add_remote_ip(const Socket& socket, FieldResult& result) {
  if (socket.has_remote) result.add(address(socket, socket.ends.remote_addr));
}
void add_local_port(const Socket& socket, FieldResult& result) {
  if (socket.is_bound()) result.add(static_cast<int64_t>(socket.ends.local_port));
}
void add_remote_port(const Socket& socket, FieldResult& result) {
  if (socket.has_remote) result.add(static_cast<int64_t>(socket.ends.remote_port));
}

using Part = void (*)(const Socket&, FieldResult&);
template <Part Local, Part Remote>
void add_server(const Socket& socket, FieldResult& result) {
  (socket.is_server() ? Local : Remote)(socket, result);
}
template <Part Local, Part Remote>
void add_client(const Socket& socket, FieldResult& result) {
  (socket.is_server() ? Remote : Local)(socket, result);
}

template <Part... Parts>
void read_parts(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (socket && socket->is_ip()) (Parts(*socket, result), ...);
}
constexpr auto read_local_ip = read_parts<add_local_ip>;
constexpr auto read_remote_ip = read_parts<add_remote_ip>;
constexpr auto read_server_ip = read_parts<add_server<add_local_ip, add_remote_ip>>;
constexpr auto read_client_ip = read_parts<add_client<add_local_ip, add_remote_ip>>;
constexpr auto read_any_ip = read_parts<add_local_ip, add_remote_ip>;
constexpr auto read_local_port = read_parts<add_local_port>;
constexpr auto read_remote_port = read_parts<add_remote_port>;
constexpr auto read_server_port = read_parts<add_server<add_local_port, add_remote_port>>;
constexpr auto read_client_port = read_parts<add_client<add_local_port, add_remote_port>>;
constexpr auto read_any_port = read_parts<add_local_port, add_remote_port>;

void read_remote_name(const FieldRequest& request, FieldResult& result) {
  result.add_present(request.observation.peer_name());
}
void read_remote_names(const FieldRequest& request, FieldResult& result) {
  std::string_view rest = request.observation.peer_names;
  while (!rest.empty()) result.add(NulList::take(rest));
}
void read_server_name(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (socket && !socket->is_server()) result.add_present(request.observation.peer_name());
}
void read_client_name(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (socket && socket->is_server()) result.add_present(request.observation.peer_name());
}

void read_protocol(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (!socket || !socket->is_ip()) return;
  if (socket->ends.kind == SOCK_RAW) return result.add(std::string_view("raw"));
  if (socket->ends.proto == IPPROTO_TCP) result.add(std::string_view("tcp"));
  if (socket->ends.proto == IPPROTO_UDP) result.add(std::string_view("udp"));
  if (socket->ends.proto == IPPROTO_ICMP) result.add(std::string_view("icmp"));
}

// By the address family; of those that are neither, there is no value.
template <size_t V4, size_t V6, size_t Unix>
void read_word(const FieldRequest& request, FieldResult& result) {
  static constexpr std::array<std::string_view, 8> kWords{"4",    "6",    "u",  "ipv4",
                                                          "ipv6", "unix", "ip", "unix"};
  const std::optional<Socket> socket = socket_of(request);
  if (!socket) return;
  if (socket->ends.family == AF_INET) result.add(kWords[V4]);
  if (socket->ends.family == AF_INET6) result.add(kWords[V6]);
  if (socket->ends.family == AF_UNIX) result.add(kWords[Unix]);
}
void read_type_char(const FieldRequest& request, FieldResult& result) {
  read_word<0, 1, 2>(request, result);
  if (!socket_of(request)) read_file_type_char(request, result);
}
void read_type(const FieldRequest& request, FieldResult& result) {
  read_word<3, 4, 5>(request, result);
  if (!socket_of(request)) read_file_type(request, result);
}
constexpr auto read_family = read_word<6, 6, 7>;

void append_end(uint8_t family, const uint8_t (&bytes)[16], uint16_t port, std::string& text) {
  char address[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, bytes, address, sizeof(address));
  fmt::format_to(std::back_inserter(text), "{}:{}", address, port);
}

// An abstract one may have NULs in it.
void add_unix_name(std::string_view path, FieldResult& result) {
  if (path.find('\0') == path.npos) return result.add_present(path);
  for (const char byte : path) {
    if (byte == '\0')
      result.text += "\\0";
    else
      result.text += byte;
  }
  result.add(std::string_view(result.text));
}

// The tuple "address:port->address:port", the client first; an end that is not bound yet has port
// 0. Of a listener its own end, of a unix socket its path.
void read_name(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (!socket) return read_file_name(request, result);
  if (!socket->is_ip()) return add_unix_name(socket->path, result);
  const pk_ends& ends = socket->ends;
  const auto append_local = [&] {
    append_end(ends.family, ends.local_addr, ends.local_port, result.text);
  };
  const auto append_remote = [&] {
    append_end(ends.family, ends.remote_addr, ends.remote_port, result.text);
  };
  if (!socket->has_remote) {
    if (!socket->is_bound()) return;
    append_local();
  } else if (socket->is_server()) {
    append_remote();
    result.text += "->";
    append_local();
  } else {
    append_local();
    result.text += "->";
    append_remote();
  }
  result.add(std::string_view(result.text));
}

void read_is_server(const FieldRequest& request, FieldResult& result) {
  const std::optional<Socket> socket = socket_of(request);
  if (socket && (socket->has_remote || socket->is_bound())) result.add(socket->is_server());
}
void read_connected(const FieldRequest& request, FieldResult& result) {
  if (const auto socket = socket_of(request)) result.add(socket->connected);
}
void read_name_changed(const FieldRequest& request, FieldResult& result) {
  result.add(request.observation.event.type() == PK_CONNECT);
}

template <auto Member>
void read_moved(const FieldRequest& request, FieldResult& result) {
  if (request.observation.event.type() == PK_FLOW)
    result.add(static_cast<int64_t>(request.observation.moved.*Member));
}

constexpr Field of_flows(Field field) {
  field.events = mask_of(PK_FLOW);
  return field;
}

constexpr Field network(std::string_view name, FieldType type, std::string_view doc,
                        void (*read)(const FieldRequest&, FieldResult&),
                        Values values = Values::one, bool subnet = false) {
  return {name,     type,    doc,    read, values,      Argument::none,
          kSockets, nullptr, subnet, {},   std::nullopt};
}

constexpr Field also_of_files(Field field) {
  field.events |= kFileEvents;
  return field;
}

}  // namespace

std::span<const Field> network_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      decided_by(Trait::file_name,
                 also_of_files(network("fd.name", text,
                                       "Path of the file or the unix socket, as the process sees "
                                       "it; of a connection address:port->address:port, the client "
                                       "first",
                                       read_name))),
      network("fd.rip", ip, "Address of the peer", read_remote_ip),
      network("fd.lip", ip, "Own address, once bound", read_local_ip),
      network("fd.sip", ip, "Address of the server: who listens", read_server_ip),
      network("fd.cip", ip, "Address of the client: who connects, once bound", read_client_ip),
      network("fd.ip", ip, "Address of either end", read_any_ip, Values::ends),
      network("fd.rport", number, "Port of the peer", read_remote_port),
      network("fd.lport", number, "Own port, once bound", read_local_port),
      network("fd.sport", number, "Port of the server", read_server_port),
      network("fd.cport", number, "Port of the client, once bound", read_client_port),
      network("fd.port", number, "Port of either end", read_any_port, Values::ends),
      network("fd.rnet", ip, "Network of the peer", read_remote_ip, Values::one, true),
      network("fd.lnet", ip, "Own network, once bound", read_local_ip, Values::one, true),
      network("fd.snet", ip, "Network of the server", read_server_ip, Values::one, true),
      network("fd.cnet", ip, "Network of the client", read_client_ip, Values::one, true),
      network("fd.net", ip, "Network of either end", read_any_ip, Values::ends, true),
      network("fd.rip.name", text, "Name under which the workspace asked for the peer's address",
              read_remote_name),
      network(
          "fd.rip.names", text,
          "Every name under which the workspace asked for the peer's address, while it is fresh",
          read_remote_names, Values::any),
      network("fd.sip.name", text, "The same, if the peer is the server", read_server_name),
      network("fd.cip.name", text, "The same, if the peer is the client", read_client_name),
      network("fd.l4proto", text, "Transport protocol: tcp udp icmp raw", read_protocol),
      also_of_files(network("fd.type", text, "ipv4 ipv6 unix file directory pipe", read_type)),
      also_of_files(network("fd.typechar", text,
                            "4 or 6; u unix socket, f file, d directory, p pipe", read_type_char)),
      network("fd.sockfamily", text, "ip or unix", read_family),
      network("fd.is_server", boolean, "This side listens or has accepted", read_is_server),
      network("fd.connected", boolean, "The socket has a peer, not just this datagram",
              read_connected),
      of_flows({"flow.bytes_in", number, "Payload received since the flow was told last",
                read_moved<&FlowAmount::in>}),
      of_flows({"flow.bytes_out", number, "Payload sent since the flow was told last",
                read_moved<&FlowAmount::out>}),
      network("fd.name_changed", boolean, "The peer is new to the socket", read_name_changed),
  });
  return kFields;
}

}  // namespace picket::rule
