#include "common/printable.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace picket {
namespace {

constexpr unsigned char kDelete = 0x7f;

unsigned char byte_at(std::string_view text, size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// U+0080..9F in UTF-8: control characters too.
bool is_c1(std::string_view text, size_t i) {
  const unsigned char next = byte_at(text, i + 1);
  return byte_at(text, i) == 0xc2 && next >= 0x80 && next < 0xa0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = byte_at(text, i);
    if (byte < 0x20 || byte == kDelete) {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", byte);
    } else if (is_c1(text, i)) {
      fmt::format_to(std::back_inserter(shown), "\\u{:04x}", byte_at(text, ++i));
    } else {
      shown += text[i];
    }
  }
  return shown;
}

std::string printable_json(std::string line) {
  if (line.find('\x7f') == line.npos && line.find('\xc2') == line.npos) return line;
  std::string shown;
  for (size_t i = 0; i < line.size(); ++i) {
    if (byte_at(line, i) == kDelete) {
      shown += "\\u007f";
    } else if (is_c1(line, i)) {
      fmt::format_to(std::back_inserter(shown), "\\u{:04x}", byte_at(line, ++i));
    } else {
      shown += line[i];
    }
  }
  return shown;
}

}  // namespace picket
