#include "agent/enrich/first_bytes.h"

#include <algorithm>
#include <array>

#include "agent/enrich/tls_hello.h"

namespace picket {
namespace {

using namespace std::string_view_literals;

constexpr std::array kBeginnings = std::to_array<std::string_view>({
    "\x16\x03"sv, "SSH-"sv,   "GET "sv,     "POST "sv,    "PUT "sv,         "HEAD "sv,
    "DELETE "sv,  "PATCH "sv, "OPTIONS "sv, "CONNECT "sv, "PRI * HTTP/2"sv, "Content-Length:"sv,
    "EHLO "sv,    "HELO "sv,  "AMQP"sv,     "*1\r\n"sv,   "*2\r\n"sv,       "*3\r\n"sv,
    "@RSYNCD:"sv,
    "\x10"sv,  // MQTT connect
});

// Four bytes of length, then what a git, PostgreSQL or other framed protocol begins with: no text.
bool is_binary(std::string_view bytes) {
  return std::ranges::any_of(bytes.substr(0, 16), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t' && byte != 0x1b &&
           byte != '\a';
  });
}

}  // namespace

bool is_known_protocol(std::string_view bytes) {
  if (is_nameless_hello(bytes)) return false;
  return is_binary(bytes) || std::ranges::any_of(kBeginnings, [&](std::string_view beginning) {
           return bytes.starts_with(beginning);
         });
}

bool is_prompt(std::string_view bytes) {
  constexpr size_t kPromptMax = 256;
  const size_t last = bytes.find_last_not_of(" \t\r\n"sv);
  return bytes.size() <= kPromptMax && !is_known_protocol(bytes) && last != bytes.npos &&
         "$#>%:"sv.find(bytes[last]) != std::string_view::npos;
}

}  // namespace picket
