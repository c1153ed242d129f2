// Texts of the kernel are bytes; texts on the wire are UTF-8, and a message with one bad byte is
// refused as a whole. What processes are called must not decide whether their alerts arrive. Pure
// functions, any thread. Nothing fails: bad bytes become U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
}

namespace picket {

bool is_utf8(std::string_view text);
// Each byte that belongs to no character is replaced; the rest stays.
std::string to_utf8(std::string_view text);
// In every text of `message`, however deep.
void make_utf8(google::protobuf::Message& message);

}  // namespace picket
