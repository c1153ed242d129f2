#include "agent/enrich/tls_hello.h"

#include <algorithm>
#include <cstdint>

#include "agent/enrich/wire_reader.h"

namespace picket {
namespace {

constexpr uint8_t kHandshake = 22, kClientHello = 1;
constexpr uint16_t kServerName = 0, kProtocols = 16;
constexpr size_t kRandomBytes = 32;

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

std::optional<std::string_view> first_name(std::string_view extension) {
  WireReader reader(extension);
  reader.skip(2);  // length of the list
  const uint8_t kind = reader.u8();
  const std::string_view name = reader.take(reader.u16());
  if (!reader.ok() || kind != 0 || name.empty() || !std::ranges::all_of(name, is_name_byte))
    return std::nullopt;
  return name;
}

// At the first extension; false: no client's hello.
bool skip_to_extensions(WireReader& reader) {
  if (reader.u8() != kHandshake || reader.u8() != 3) return false;
  reader.skip(3);  // minor version, length of the record
  if (reader.u8() != kClientHello) return false;
  reader.skip(3 + 2 + kRandomBytes);  // length, version, random
  reader.skip(reader.u8());           // session
  reader.skip(reader.u16());          // ciphers
  reader.skip(reader.u8());           // compression
  reader.skip(2);                     // length of the extensions
  return reader.ok();
}

}  // namespace

std::optional<std::string_view> server_name_of(std::string_view bytes) {
  WireReader reader(bytes);
  if (!skip_to_extensions(reader)) return std::nullopt;
  while (reader.ok() && reader.left() > 0) {
    const uint16_t type = reader.u16();
    const uint16_t size = reader.u16();
    const std::string_view extension = reader.take(size);
    if (reader.ok() && type == kServerName) return first_name(extension);
  }
  return std::nullopt;
}

bool is_nameless_hello(std::string_view bytes) {
  WireReader reader(bytes);
  if (!skip_to_extensions(reader)) return false;
  while (reader.left() > 0) {
    const uint16_t type = reader.u16();
    const std::string_view extension = reader.take(reader.u16());
    if (!reader.ok()) return true;  // cut: names come early
    if (type == kProtocols) return false;
    if (type == kServerName &&
        first_name(extension).value_or("").find('.') != std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace picket
