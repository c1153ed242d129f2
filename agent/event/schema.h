// What a record holds, as data: field names, types and one-line descriptions. Decoding, JSON, rule
// fields with type checks, records built for tests and the generated field reference all derive
// from these rows (agent/event/schemas.h). Immutable after static initialisation; every thread may
// read. Nothing here fails: a look-up answers nullptr.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
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
std::string to_text(const IpAddress& address);

// A list is text whose elements each end with NUL (argv); the last one of a truncated list may lack
// it.
struct NulList {
  std::string_view bytes;

  // Cuts the first element off `rest`, which starts as `bytes` and is empty when all are taken.
  static std::string_view take(std::string_view& rest) {
    const size_t end = rest.find('\0');
    const std::string_view first = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    return first;
  }
};

// monostate: the record does not have the value (a closed descriptor's address, an empty string is
// NOT missing).
using FieldValue =
    std::variant<std::monostate, bool, int64_t, std::string_view, NulList, IpAddress>;

// How a person reads it: a list's elements joined by blanks, nothing for a missing value.
std::string to_text(const FieldValue& value);

// How a field lies in the record: what parse() checks and RecordBuilder writes by.
enum class Encoding : uint8_t {
  number,   // integer of `width` bytes; unsigned, except one of eight bytes
  id,       // the same; all ones read as -1 ("never set")
  flag,     // bits `mask` of a 32-bit word
  truth,    // integer, 0 or 1
  word,     // integer with names
  name,     // char[width], NUL-terminated
  text,     // pk_str
  list,     // pk_str, elements ended by NUL; `companion` (may be null) counts them
  address,  // 16 bytes; `companion` is the address family
};

struct Word {
  uint32_t value;
  std::string_view word;
};

struct FieldLayout {
  using Locate = const std::byte* (*)(const std::byte* record);
  Encoding encoding = Encoding::number;
  uint8_t width = 0;
  bool closed = false;  // of a word: no other value than those in `words` is valid
  uint32_t mask = 0;    // of a flag
  uint32_t limit = 0;   // of a number: the first value that is not valid; 0: all are
  std::span<const Word> words = {};
  Locate at = nullptr;
  Locate companion = nullptr;
};

struct FieldRow {
  std::string_view name;  // snake_case, unique within the event: "remote_port", "fd0.kind"
  FieldType type;
  std::string_view doc;
  FieldValue (*read)(const Event&);
  FieldLayout layout;
};

struct EventRow {
  pk_type type;
  std::string_view name;  // "exec", "connect": the name on the wire, in JSON and in coverage
  std::string_view doc;
  std::span<const FieldRow> fields;
  std::span<const FieldLayout> checks;  // of the fields that a kernel record could hold wrongly
  size_t fixed_size;                    // bytes before the tail
};

std::span<const EventRow> event_rows();   // in order of pk_type, without PK_NONE
const EventRow* event_row(pk_type type);  // nullptr: unknown
const EventRow* event_row(std::string_view name);
const FieldRow* field_row(const EventRow& event, std::string_view name);

// Names of enum values as they appear in fields (the words used by rules and JSON); "unknown" for a
// value without one.
std::string_view fd_kind_name(
    uint8_t kind);  // none file dir char null tty block pipe fifo inet unix socket anon
std::string_view direction_name(uint8_t dir);  // unknown outbound inbound listen
std::string_view layer_name(uint8_t layer);    // unknown image upper memfd deleted mount

}  // namespace picket
