// Bytes as they go over the wire, made for tests from what a person writes. Pure. Errors: none;
// what cannot be said in the format makes a message that does not decode.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace picket {

struct TestDnsMessage {
  std::string name = {}, type = "A", rcode = "NOERROR";
  std::vector<std::string> answers = {};  // addresses and names
  bool response = false;

  std::string bytes() const;
};

// The first record of a TLS client that asks for `server_name`.
std::string tls_hello(std::string_view server_name);

}  // namespace picket
