// Masks what gives access to something, in texts that leave the node: passwords and tokens in
// command lines, environment assignments, URLs and headers, keys of known shape, private keys. The
// words around a secret stay, so that an alert still says what was done. Pure functions, any
// thread; the first call compiles the patterns. Nothing fails: a text without a secret stays as it
// is, byte by byte, and masking twice changes nothing more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
}

namespace picket {

inline constexpr std::string_view kMask = "[masked]";

// nullopt: there is nothing to mask.
std::optional<std::string> mask_secrets(std::string_view text);
// In every text of `message`, however deep.
void mask_secrets(google::protobuf::Message& message);

}  // namespace picket
