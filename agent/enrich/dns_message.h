// A DNS message as it came over the wire: the question, and of the answers those that say where a
// name is. Written by whoever answers a workspace, so nothing of it is trusted: every read is
// checked, compression cannot loop, and counts are bounded. Reusable: decoding again keeps the room
// that it has. One thread. Errors: what cannot be read ends the message where it stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/event/schema.h"

namespace picket {

struct DnsAnswer {
  uint16_t type = 0;
  uint32_t ttl_s = 0;
  IpAddress address;  // of an A or AAAA
  std::string text;   // how a person reads it: an address, a name (CNAME, NS, PTR, MX, SRV), a text
};

struct DnsMessage {
  static constexpr size_t kMaxAnswers = 64;

  bool response = false;
  uint8_t rcode = 0;
  uint16_t type = 0;  // of the question
  std::string name;   // of the question: lower case, without the final dot; "." for the root
  std::vector<DnsAnswer> answers;

  // False when there is no header and no whole question. `over_tcp`: a segment, which holds the
  // length in front of the message, or the message without it when that was sent by itself.
  bool decode(std::string_view bytes, bool over_tcp);

 private:
  bool decode_message(std::string_view message);
};

std::string dns_type_name(uint16_t type);        // "A", "AAAA", "TYPE65280"
std::string_view dns_rcode_name(uint8_t rcode);  // "NOERROR", "NXDOMAIN"; "RCODE" beyond

}  // namespace picket
