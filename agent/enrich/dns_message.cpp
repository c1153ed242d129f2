#include "agent/enrich/dns_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "agent/enrich/wire_reader.h"

namespace picket {
namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr uint8_t kPointer = 0xc0;
constexpr size_t kMaxText = 255;

enum Type : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33
};

constexpr auto kTypes = std::to_array<std::pair<uint16_t, std::string_view>>({
    {kA, "A"},     {kNs, "NS"},   {kCname, "CNAME"}, {6, "SOA"},      {10, "NULL"},
    {kPtr, "PTR"}, {kMx, "MX"},   {kTxt, "TXT"},     {kAaaa, "AAAA"}, {kSrv, "SRV"},
    {35, "NAPTR"}, {41, "OPT"},   {43, "DS"},        {46, "RRSIG"},   {48, "DNSKEY"},
    {64, "SVCB"},  {65, "HTTPS"}, {251, "IXFR"},     {252, "AXFR"},   {255, "ANY"},
});

constexpr auto kRcodes = std::to_array<std::string_view>(
    {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
     "NXRRSET", "NOTAUTH", "NOTZONE"});

// Unusual bytes as in zone files, so that a name cannot play tricks with who reads it.
void append_label(std::string_view label, std::string& name) {
  if (!name.empty()) name += '.';
  for (const char c : label) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= ' ' || byte >= 0x7f || c == '.' || c == '\\')
      fmt::format_to(std::back_inserter(name), "\\{:03}", byte);
    else
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
}

// A pointer leads only to what lies before it, so that the walk ends.
bool read_name(std::string_view message, WireReader& reader, std::string& name) {
  name.clear();
  size_t bytes = 0, barrier = reader.at();
  WireReader jumped(message);
  WireReader* from = &reader;
  while (true) {
    const uint8_t length = from->u8();
    if (!from->ok()) return false;
    if (length == 0) break;
    if ((length & kPointer) == kPointer) {
      const size_t target = static_cast<size_t>(length & 0x3f) << 8 | from->u8();
      if (!from->ok() || target >= barrier) return false;
      barrier = target;
      jumped = WireReader(message);
      jumped.skip(target);
      from = &jumped;
      continue;
    }
    const std::string_view label = from->take(length);
    bytes += length + size_t{1};
    if (!from->ok() || (length & kPointer) != 0 || bytes > kMaxNameBytes) return false;
    append_label(label, name);
  }
  if (name.empty()) name.push_back('.');
  return true;
}

void read_address(std::string_view data, DnsAnswer& answer) {
  answer.address = {};
  answer.address.v6 = answer.type == kAaaa;
  if (data.size() != (answer.address.v6 ? 16u : 4u)) return;
  std::ranges::transform(data, answer.address.bytes.begin(),
                         [](char c) { return static_cast<uint8_t>(c); });
  answer.text = to_text(answer.address);
}

// `reader` stands at the data, which is `size` bytes long.
void read_data(std::string_view message, size_t at, std::string_view data, DnsAnswer& answer) {
  WireReader reader(message);
  reader.skip(at);
  switch (answer.type) {
    case kA:
    case kAaaa:
      return read_address(data, answer);
    case kMx:
      reader.skip(2);
      break;
    case kSrv:
      reader.skip(6);
      break;
    case kTxt:
      if (!data.empty()) append_label(data.substr(1, kMaxText), answer.text);
      return;
    case kNs:
    case kCname:
    case kPtr:
      break;
    default:
      return;
  }
  if (!read_name(message, reader, answer.text)) answer.text.clear();
}

}  // namespace

bool DnsMessage::decode(std::string_view bytes, bool over_tcp) {
  if (!over_tcp) return decode_message(bytes);
  WireReader reader(bytes);
  const size_t length = reader.u16();
  if (reader.ok() && length >= reader.left() && decode_message(bytes.substr(2))) return true;
  if (reader.ok() && length < reader.left() && decode_message(bytes.substr(2, length))) return true;
  return decode_message(bytes);
}

bool DnsMessage::decode_message(std::string_view message) {
  answers.clear();
  WireReader reader(message);
  reader.skip(2);
  const uint16_t flags = reader.u16();
  const uint16_t questions = reader.u16();
  const size_t count = std::min<size_t>(reader.u16(), kMaxAnswers);
  reader.skip(4);
  response = (flags & 0x8000) != 0;
  rcode = flags & 0xf;
  if (!reader.ok() || questions != 1 || !read_name(message, reader, name)) return false;
  type = reader.u16();
  reader.skip(2);
  if (!reader.ok()) return false;
  for (size_t i = 0; response && i < count; ++i) {
    std::string owner;
    if (!read_name(message, reader, owner)) break;
    DnsAnswer answer;
    answer.type = reader.u16();
    reader.skip(2);
    answer.ttl_s = reader.u32();
    const size_t size = reader.u16();
    const size_t at = reader.at();
    const std::string_view data = reader.take(size);
    if (!reader.ok()) break;
    read_data(message, at, data, answer);
    if (!answer.text.empty()) answers.push_back(std::move(answer));
  }
  return true;
}

std::string dns_type_name(uint16_t type) {
  for (const auto& [number, name] : kTypes)
    if (number == type) return std::string(name);
  return fmt::format("TYPE{}", type);
}

std::string_view dns_rcode_name(uint8_t rcode) {
  return rcode < kRcodes.size() ? kRcodes[rcode] : "RCODE";
}

}  // namespace picket
