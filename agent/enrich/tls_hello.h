// The server's name in the first TLS record of a client. Pure; any thread. Errors: bytes that are
// no client's hello, or end before the name, give none; nothing is read outside of them.
#pragma once

#include <optional>
#include <string_view>

namespace picket {

// As it stands in `bytes`, which it points into; nullopt: there is none.
std::optional<std::string_view> server_name_of(std::string_view bytes);

}  // namespace picket
