// What the first bytes that a client sends say about its protocol. Pure; any thread. Nothing fails:
// bytes that no known protocol begins with are not known.
#pragma once

#include <string_view>

namespace picket {

// TLS with a name in it, HTTP, SSH, and the handshakes of databases, brokers and mail.
bool is_known_protocol(std::string_view bytes);

// A short text that ends as a question for a command does: "$ ", "shell> ".
bool is_prompt(std::string_view bytes);

}  // namespace picket
