// What the first TLS record of a client names. Pure; any thread. Errors: bytes that are
// no client's hello, or end before the name, give none; nothing is read outside of them.
#pragma once

#include <optional>
#include <string_view>

namespace picket {

// As it stands in `bytes`, which it points into; nullopt: there is none.
std::optional<std::string_view> server_name_of(std::string_view bytes);

// A client's hello that names, as far as it is told, neither a host with a dot nor a protocol: no
// browser's, no registry's, but that of what pipes anything through TLS.
bool is_nameless_hello(std::string_view bytes);

}  // namespace picket
