#include "agent/detect/replay/test_messages.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>

#include "agent/enrich/dns_message.h"

namespace picket {
namespace {

void put(std::string& out, uint32_t value, int width) {
  for (int shift = (width - 1) * 8; shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift & 0xff);
}

void put_sized(std::string& out, std::string_view bytes, int width) {
  put(out, static_cast<uint32_t>(bytes.size()), width);
  out += bytes;
}

void put_name(std::string& out, std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    put_sized(out, label, 1);
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  put(out, 0, 1);
}

uint16_t type_number(std::string_view name) {
  for (uint16_t type = 1; type < 512; ++type)
    if (dns_type_name(type) == name) return type;
  return 0;
}

void put_answer(std::string& out, const std::string& text) {
  uint8_t address[16];
  put(out, 0xc00c, 2);  // the question's name
  std::string data;
  uint16_t type = 5;
  if (inet_pton(AF_INET, text.c_str(), address) == 1) {
    type = 1;
    data.assign(address, address + 4);
  } else if (inet_pton(AF_INET6, text.c_str(), address) == 1) {
    type = 28;
    data.assign(address, address + 16);
  } else {
    put_name(data, text);
  }
  put(out, type, 2);
  put(out, 1, 2);
  put(out, 300, 4);
  put_sized(out, data, 2);
}

}  // namespace

std::string TestDnsMessage::bytes() const {
  uint16_t code = 0;
  while (code < 11 && dns_rcode_name(static_cast<uint8_t>(code)) != rcode) ++code;
  std::string out;
  put(out, 0x1234, 2);
  put(out, (response ? 0x8180u : 0x0100u) | code, 2);
  put(out, 1, 2);
  put(out, static_cast<uint32_t>(answers.size()), 2);
  put(out, 0, 4);
  put_name(out, name);
  put(out, type_number(type), 2);
  put(out, 1, 2);
  for (const std::string& answer : answers) put_answer(out, answer);
  return out;
}

std::string tls_hello(std::string_view server_name) {
  std::string entry, list, extension, extensions, hello, handshake, record;
  put(entry, 0, 1);
  put_sized(entry, server_name, 2);
  put_sized(list, entry, 2);
  put(extension, 0, 2);
  put_sized(extension, list, 2);
  put_sized(extensions, extension, 2);
  put(hello, 0x0303, 2);
  hello.append(32, 'r');
  put(hello, 0, 1);
  put_sized(hello, std::string_view("\x13\x01", 2), 2);
  put_sized(hello, std::string_view("\0", 1), 1);
  hello += extensions;
  put(handshake, 1, 1);
  put_sized(handshake, hello, 3);
  put(record, 0x160301, 3);
  put_sized(record, handshake, 2);
  return record;
}

}  // namespace picket
