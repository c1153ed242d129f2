// fd.*: the connection of a connect event. The server is the peer, the client this side: only
// outgoing connections are events.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

constexpr EventMask kConnect = mask_of(PK_CONNECT);

const pk_connect* connection(const FieldRequest& request) {
  return request.observation.event.as<pk_connect>();
}

IpAddress address(const pk_connect& connect, const uint8_t (&bytes)[16]) {
  IpAddress address;
  address.v6 = connect.family == AF_INET6;
  std::copy_n(bytes, address.v6 ? 16 : 4, address.bytes.begin());
  return address;
}

void add_local_ip(const pk_connect& connect, FieldResult& result) {
  if (connect.local_port != 0) result.add(address(connect, connect.local_addr));
}
void add_remote_ip(const pk_connect& connect, FieldResult& result) {
  result.add(address(connect, connect.remote_addr));
}
void add_local_port(const pk_connect& connect, FieldResult& result) {
  if (connect.local_port != 0) result.add(static_cast<int64_t>(connect.local_port));
}
void add_remote_port(const pk_connect& connect, FieldResult& result) {
  result.add(static_cast<int64_t>(connect.remote_port));
}

using Part = void (*)(const pk_connect&, FieldResult&);
template <Part... Parts>
void read_parts(const FieldRequest& request, FieldResult& result) {
  if (const pk_connect* connect = connection(request)) (Parts(*connect, result), ...);
}
constexpr auto read_local_ip = read_parts<add_local_ip>;
constexpr auto read_remote_ip = read_parts<add_remote_ip>;
constexpr auto read_any_ip = read_parts<add_local_ip, add_remote_ip>;
constexpr auto read_local_port = read_parts<add_local_port>;
constexpr auto read_remote_port = read_parts<add_remote_port>;
constexpr auto read_any_port = read_parts<add_local_port, add_remote_port>;

void read_protocol(const FieldRequest& request, FieldResult& result) {
  const pk_connect* connect = connection(request);
  if (connect == nullptr) return;
  if (connect->proto == IPPROTO_TCP) result.add(std::string_view("tcp"));
  if (connect->proto == IPPROTO_UDP) result.add(std::string_view("udp"));
  if (connect->proto == IPPROTO_ICMP) result.add(std::string_view("icmp"));
}

template <char V4, char V6>
void read_type_char(const FieldRequest& request, FieldResult& result) {
  static constexpr char kText[] = {V4, V6};
  const pk_connect* connect = connection(request);
  if (connect != nullptr) result.add(std::string_view(kText + (connect->family == AF_INET6), 1));
}

void read_type(const FieldRequest& request, FieldResult& result) {
  const pk_connect* connect = connection(request);
  if (connect != nullptr) {
    result.add(std::string_view(connect->family == AF_INET6 ? "ipv6" : "ipv4"));
  }
}

void read_family(const FieldRequest& request, FieldResult& result) {
  if (connection(request) != nullptr) result.add(std::string_view("ip"));
}

void append_end(uint8_t family, const uint8_t (&bytes)[16], uint16_t port, std::string& text) {
  char address[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, bytes, address, sizeof(address));
  fmt::format_to(std::back_inserter(text), "{}:{}", address, port);
}

// The tuple "address:port->address:port"; an end that is not bound yet has port 0.
void read_name(const FieldRequest& request, FieldResult& result) {
  const pk_connect* connect = connection(request);
  if (connect == nullptr) return;
  append_end(connect->family, connect->local_addr, connect->local_port, result.text);
  result.text += "->";
  append_end(connect->family, connect->remote_addr, connect->remote_port, result.text);
  result.add(std::string_view(result.text));
}

constexpr Field network(std::string_view name, FieldType type, std::string_view doc,
                        void (*read)(const FieldRequest&, FieldResult&),
                        Values values = Values::one, bool subnet = false) {
  return {name,     type,    doc,    read, values,      Argument::none,
          kConnect, nullptr, subnet, {},   std::nullopt};
}

}  // namespace

std::span<const Field> network_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      network("fd.name", text, "The connection as address:port->address:port", read_name),
      network("fd.rip", ip, "Address of the peer", read_remote_ip),
      network("fd.lip", ip, "Own address, once bound", read_local_ip),
      network("fd.sip", ip, "Address of the server: the peer", read_remote_ip),
      network("fd.cip", ip, "Address of the client: this side, once bound", read_local_ip),
      network("fd.ip", ip, "Address of either end", read_any_ip, Values::ends),
      network("fd.rport", number, "Port of the peer", read_remote_port),
      network("fd.lport", number, "Own port, once bound", read_local_port),
      network("fd.sport", number, "Port of the server: the peer", read_remote_port),
      network("fd.cport", number, "Port of the client: this side, once bound", read_local_port),
      network("fd.port", number, "Port of either end", read_any_port, Values::ends),
      network("fd.rnet", ip, "Network of the peer", read_remote_ip, Values::one, true),
      network("fd.lnet", ip, "Own network, once bound", read_local_ip, Values::one, true),
      network("fd.snet", ip, "Network of the server: the peer", read_remote_ip, Values::one, true),
      network("fd.cnet", ip, "Network of the client: this side", read_local_ip, Values::one, true),
      network("fd.net", ip, "Network of either end", read_any_ip, Values::ends, true),
      network("fd.l4proto", text, "Transport protocol: tcp udp icmp", read_protocol),
      network("fd.type", text, "ipv4 or ipv6", read_type),
      network("fd.typechar", text, "4 or 6", read_type_char<'4', '6'>),
      network("fd.sockfamily", text, "Always ip", read_family),
  });
  return kFields;
}

}  // namespace picket::rule
