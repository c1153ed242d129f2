// evt.res, evt.rawres, evt.failed: how a call ended; evt.arg.domain of socket. A value is there for
// the events that tell it.
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>

#include "agent/detect/rule/file_values.h"
#include "agent/enrich/lineage.h"
#include "agent/event/field.h"
#include "agent/event/words.h"

namespace picket::rule {
namespace {

constexpr EventMask kResults = mask_of(PK_CONNECT) | mask_of(PK_SOCKET) | mask_of(PK_SYSTEM) |
                               mask_of(PK_STDIO) | mask_of(PK_EXEC) | kFileEvents;

// A TCP connect is told when it starts: it is under way then, however it ends.
int64_t result_of_connect(const pk_connect& connect) {
  if (connect.denied != 0) return -EPERM;
  return connect.source == PK_CONNECT_STATE ? -EINPROGRESS : 0;
}

std::optional<int64_t> result_of(const Event& event) {
  if (const auto* connect = event.as<pk_connect>()) return result_of_connect(*connect);
  if (const auto* call = event.as<pk_socket>()) return call->result;
  if (const auto* call = event.as<pk_stdio>()) return call->target;  // the new descriptor
  if (event.type() == PK_EXEC) return 0;                             // others are PK_SYSTEM
  if (const auto* call = event.as<pk_system>()) return call->result;
  if (const auto* open = event.as<pk_open>()) return open->result;
  if (const auto* file = event.as<pk_file>()) return file->result;
  return std::nullopt;
}

void read_raw_result(const FieldRequest& request, FieldResult& result) {
  if (const auto value = result_of(request.observation.event)) result.add(*value);
}

void read_result(const FieldRequest& request, FieldResult& result) {
  if (const auto value = result_of(request.observation.event)) result.add(error_name(*value));
}

// A connect that is under way has not failed.
void read_failed(const FieldRequest& request, FieldResult& result) {
  const auto value = result_of(request.observation.event);
  if (value) result.add(*value < 0 && *value != -EINPROGRESS);
}

struct Domain {
  int family;
  std::string_view name;
};
constexpr auto kDomains = std::to_array<Domain>({
    {AF_UNIX, "AF_UNIX"},
    {AF_INET, "AF_INET"},
    {AF_INET6, "AF_INET6"},
    {AF_NETLINK, "AF_NETLINK"},
    {AF_PACKET, "AF_PACKET"},
    {AF_KEY, "AF_KEY"},
    {AF_ALG, "AF_ALG"},
    {AF_VSOCK, "AF_VSOCK"},
    {AF_XDP, "AF_XDP"},
    {AF_BLUETOOTH, "AF_BLUETOOTH"},
    {AF_CAN, "AF_CAN"},
    {AF_TIPC, "AF_TIPC"},
    {AF_RDS, "AF_RDS"},
    {AF_QIPCRTR, "AF_QIPCRTR"},
});

void read_system_call(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const uint32_t call = event.header().call;
  if (call != PK_CALL_NONE) result.add_present(schema::word_of(schema::kCalls, call, ""));
}

void read_domain(const FieldRequest& request, FieldResult& result) {
  const auto* call = request.observation.event.as<pk_socket>();
  if (call == nullptr || call->header.call != PK_CALL_socket) return;
  for (const Domain& domain : kDomains)
    if (domain.family == call->ends.family) return result.add(domain.name);
}

void read_foreign_namespace(const FieldRequest& request, FieldResult& result) {
  result.add(request.observation.foreign_namespace);
}

// Compared with the one that the workspace's processes were started in.
void read_own_user_namespace(const FieldRequest& request, FieldResult& result) {
  const auto* call = request.observation.event.as<pk_system>();
  if (call == nullptr || call->user_ns == 0) return;
  const Process* first = &request.observation.process;
  for (const Process& ancestor : lineage(*first)) first = &ancestor;
  if (first->user_ns != 0) result.add(first->user_ns != call->user_ns);
}

void read_compat(const FieldRequest& request, FieldResult& result) {
  result.add((request.observation.event.header().flags & PK_COMPAT) != 0);
}

void read_io_uring(const FieldRequest& request, FieldResult& result) {
  result.add((request.observation.event.header().flags & PK_IO_URING) != 0);
}

}  // namespace

std::span<const Field> call_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      {.name = "evt.res",
       .type = text,
       .doc = "How the call ended: SUCCESS or the error's name",
       .read = read_result,
       .events = kResults},
      {.name = "evt.rawres",
       .type = number,
       .doc = "What the call returned; negative: the error",
       .read = read_raw_result,
       .events = kResults},
      {.name = "evt.failed",
       .type = boolean,
       .doc = "The call failed",
       .read = read_failed,
       .events = kResults,
       .trait = Trait::failed},
      {.name = "evt.foreign_namespace",
       .type = boolean,
       .doc = "The event joins a namespace that the workspace neither was started in nor made, "
              "opens a file through the mounts of one, or runs a program in a directory of one",
       .read = read_foreign_namespace,
       .events = mask_of(PK_SYSTEM) | mask_of(PK_OPEN) | mask_of(PK_EXEC),
       .trait = Trait::of_interest},
      {.name = "evt.own_user_namespace",
       .type = boolean,
       .doc = "The call is made in a user namespace that the workspace made for itself",
       .read = read_own_user_namespace,
       .events = mask_of(PK_SYSTEM)},
      {.name = "evt.io_uring",
       .type = boolean,
       .doc = "An io_uring did it for the process; whether it succeeded is told of opens, sockets "
              "and connects only, and of none that asked for no answer",
       .read = read_io_uring},
      {.name = "evt.compat",
       .type = boolean,
       .doc = "The call was made through the 32-bit interface (int 0x80)",
       .read = read_compat,
       .events = mask_of(PK_OPEN) | mask_of(PK_FILE) | mask_of(PK_SOCKET) | mask_of(PK_CONNECT) |
                 mask_of(PK_STDIO) | mask_of(PK_SYSTEM) | mask_of(PK_EXEC)},
      {.name = "syscall.type",
       .type = text,
       .doc = "Name of the system call that caused the event, as evt.type has it; none of events "
              "that no call caused",
       .read = read_system_call},
      {.name = "evt.arg.domain",
       .type = text,
       .doc = "Of socket: the address family, AF_PACKET",
       .read = read_domain,
       .events = mask_of(PK_SOCKET)},
  });
  return kFields;
}

}  // namespace picket::rule
