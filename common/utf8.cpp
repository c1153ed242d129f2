#include "common/utf8.h"

#include <optional>

#include "common/message_texts.h"

namespace picket {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Bytes of the character at the beginning of `text`; 0: none is complete and in its shortest form.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;  // fits into two bytes
  if (first == 0xed && second > 0x9f) return 0;  // a surrogate
  if (first == 0xf0 && second < 0x90) return 0;  // fits into three bytes
  if (first == 0xf4 && second > 0x8f) return 0;  // beyond U+10FFFF
  return length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = character_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string fixed;
  while (!text.empty()) {
    const size_t length = character_length(text);
    fixed += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return fixed;
}

void make_utf8(google::protobuf::Message& message) {
  rewrite_texts(message, [](const std::string& text) {
    return is_utf8(text) ? std::nullopt : std::optional(to_utf8(text));
  });
}

}  // namespace picket
