#include "agent/event/event.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "agent/event/schema.h"

namespace picket {
namespace {

uint64_t read_integer(const std::byte* at, uint8_t width) {
  uint64_t value = 0;  // little endian: the low bytes come first
  std::memcpy(&value, at, width);
  return value;
}

RecordError check_string(const std::byte* at, size_t fixed_size, size_t size) {
  pk_str string;
  std::memcpy(&string, at, sizeof string);
  if (string.length == 0) return RecordError::none;
  const bool inside = string.offset >= fixed_size && size_t{string.offset} + string.length <= size;
  return inside ? RecordError::none : RecordError::bad_string;
}

RecordError check_field(const FieldLayout& layout, const std::byte* record, const EventRow& row,
                        size_t size) {
  const std::byte* at = layout.at(record);
  switch (layout.encoding) {
    case Encoding::text:
    case Encoding::list:
      return check_string(at, row.fixed_size, size);
    case Encoding::name:
      return std::memchr(at, 0, layout.width) ? RecordError::none : RecordError::bad_string;
    case Encoding::number:
      return read_integer(at, layout.width) < layout.limit ? RecordError::none
                                                           : RecordError::bad_value;
    case Encoding::truth:
      return read_integer(at, layout.width) <= 1 ? RecordError::none : RecordError::bad_value;
    case Encoding::word: {
      const uint64_t value = read_integer(at, layout.width);
      const bool known =
          std::ranges::any_of(layout.words, [&](const Word& word) { return word.value == value; });
      return known ? RecordError::none : RecordError::bad_value;
    }
    default:
      return RecordError::none;
  }
}

RecordError check(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(pk_header)) return RecordError::too_short;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(pk_header) != 0)
    return RecordError::misaligned;
  const auto& header = *reinterpret_cast<const pk_header*>(bytes.data());
  if (header.abi != PK_ABI) return RecordError::foreign_abi;
  if (header.size != bytes.size() || header.size > PK_RECORD_MAX) return RecordError::size_mismatch;
  // Compared before the cast: a value outside the enum may not become one.
  if (header.type == PK_NONE || header.type >= PK_TYPE_END) return RecordError::unknown_type;
  const EventRow* row = event_row(static_cast<pk_type>(header.type));
  if (bytes.size() < row->fixed_size) return RecordError::too_short;
  for (const FieldLayout& layout : row->checks) {
    const RecordError error = check_field(layout, bytes.data(), *row, bytes.size());
    if (error != RecordError::none) return error;
  }
  return RecordError::none;
}

template <class Record>
const Record* view(const pk_header& header, std::initializer_list<pk_type> types) {
  const bool matches = std::ranges::find(types, static_cast<pk_type>(header.type)) != types.end();
  return matches ? reinterpret_cast<const Record*>(&header) : nullptr;
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "read_integer assumes it");

std::string_view to_string(RecordError error) {
  switch (error) {
    case RecordError::none:
      return "none";
    case RecordError::too_short:
      return "too_short";
    case RecordError::size_mismatch:
      return "size_mismatch";
    case RecordError::foreign_abi:
      return "foreign_abi";
    case RecordError::unknown_type:
      return "unknown_type";
    case RecordError::bad_string:
      return "bad_string";
    case RecordError::bad_value:
      return "bad_value";
    case RecordError::misaligned:
      return "misaligned";
    case RecordError::kEnd:
      break;
  }
  return "unknown";
}

std::optional<Event> Event::parse(std::span<const std::byte> bytes, RecordError* why) {
  const RecordError error = check(bytes);
  if (why != nullptr) *why = error;
  if (error != RecordError::none) return std::nullopt;
  return Event(reinterpret_cast<const pk_header*>(bytes.data()));
}

std::string_view Event::text(pk_str string) const {
  // A pk_str of this record was checked by parse(); one of another record must not read outside
  // this one.
  if (size_t{string.offset} + string.length > header_->size) return {};
  return {reinterpret_cast<const char*>(header_) + string.offset, string.length};
}

std::span<const std::byte> Event::bytes() const {
  return {reinterpret_cast<const std::byte*>(header_), header_->size};
}

template <>
const pk_fork* Event::as<pk_fork>() const {
  return view<pk_fork>(*header_, {PK_FORK});
}

template <>
const pk_exec* Event::as<pk_exec>() const {
  return view<pk_exec>(*header_, {PK_EXEC, PK_FOUND});
}

template <>
const pk_exit* Event::as<pk_exit>() const {
  return view<pk_exit>(*header_, {PK_EXIT});
}

template <>
const pk_connect* Event::as<pk_connect>() const {
  return view<pk_connect>(*header_, {PK_CONNECT});
}

template <>
const pk_stdio* Event::as<pk_stdio>() const {
  return view<pk_stdio>(*header_, {PK_STDIO});
}

template <>
const pk_cgroup* Event::as<pk_cgroup>() const {
  return view<pk_cgroup>(*header_, {PK_CGROUP_MKDIR, PK_CGROUP_RMDIR, PK_CGROUP_ATTACH});
}

template <>
const pk_system* Event::as<pk_system>() const {
  return view<pk_system>(*header_, {PK_SYSTEM});
}

template <>
const pk_open* Event::as<pk_open>() const {
  return view<pk_open>(*header_, {PK_OPEN});
}

template <>
const pk_file* Event::as<pk_file>() const {
  return view<pk_file>(*header_, {PK_FILE});
}

template <>
const pk_socket* Event::as<pk_socket>() const {
  return view<pk_socket>(*header_, {PK_SOCKET});
}

template <>
const pk_flow* Event::as<pk_flow>() const {
  return view<pk_flow>(*header_, {PK_FLOW});
}

template <>
const pk_dns* Event::as<pk_dns>() const {
  return view<pk_dns>(*header_, {PK_DNS});
}

template <>
const pk_payload* Event::as<pk_payload>() const {
  return view<pk_payload>(*header_, {PK_PAYLOAD});
}
template <>
const pk_oom* Event::as<pk_oom>() const {
  return view<pk_oom>(*header_, {PK_OOM});
}
template <>
const pk_cpu* Event::as<pk_cpu>() const {
  return view<pk_cpu>(*header_, {PK_CPU});
}

template <>
const pk_holds* Event::as<pk_holds>() const {
  return view<pk_holds>(*header_, {PK_HOLDS});
}

template <>
const pk_relayed* Event::as<pk_relayed>() const {
  return view<pk_relayed>(*header_, {PK_RELAYED});
}

template <>
const pk_started* Event::as<pk_started>() const {
  return view<pk_started>(*header_, {PK_STARTED});
}

}  // namespace picket
