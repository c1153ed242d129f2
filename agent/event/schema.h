// What a record holds, as data: field names, types and one-line descriptions. Decoding, JSON, rule fields with type
// checks, records built for tests and the generated field reference all derive from these rows (agent/event/schemas.h).
// Immutable after static initialisation; every thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "agent/event/event.h"

namespace picket {

enum class FieldType { boolean, number, text, list, ip };
std::string_view to_string(FieldType type);

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // network order; IPv4 uses the first four
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// monostate: the record does not have the value (a closed descriptor's address, an empty string is NOT missing).
// A list is text whose elements each end with NUL (argv).
struct NulList {
  std::string_view bytes;
};
using FieldValue = std::variant<std::monostate, bool, int64_t, std::string_view, NulList, IpAddress>;

struct FieldRow {
  std::string_view name;  // snake_case, unique within the event: "remote_port", "fd0.kind"
  FieldType type;
  std::string_view doc;
  FieldValue (*read)(const Event&);
};

struct EventRow {
  pk_type type;
  std::string_view name;  // "exec", "connect": the name on the wire, in JSON and in coverage
  std::string_view doc;
  std::span<const FieldRow> fields;
};

std::span<const EventRow> event_rows();        // in order of pk_type, without PK_NONE
const EventRow* event_row(pk_type type);       // nullptr: unknown
const EventRow* event_row(std::string_view name);
const FieldRow* field_row(const EventRow& event, std::string_view name);

// Names of enum values as they appear in fields ("socket_inet" style words used by rules and JSON).
std::string_view fd_kind_name(uint8_t kind);    // none file dir char null tty block pipe fifo inet unix socket anon
std::string_view direction_name(uint8_t dir);   // unknown outbound inbound listen
std::string_view layer_name(uint8_t layer);     // unknown image upper memfd deleted mount

}  // namespace picket
