// dns.*, http.*, tls.* and flow.*: what the bytes of a message say, and how many there were.
// Decoded where they are asked for.
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "agent/detect/rule/field.h"
#include "agent/enrich/dns_message.h"
#include "agent/enrich/tls_hello.h"

namespace picket::rule {
namespace {

// nullptr: not a message that can be read. Valid until the next call on the thread.
const DnsMessage* message_of(const FieldRequest& request) {
  thread_local DnsMessage message;  // keeps its room
  const Event& event = request.observation.event;
  const auto* dns = event.as<pk_dns>();
  if (dns == nullptr || !message.decode(event.text(dns->message), dns->ends.proto == IPPROTO_TCP))
    return nullptr;
  return &message;
}

void read_name(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message == nullptr) return;
  result.text = message->name;
  result.add(std::string_view(result.text));
}

void read_type(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message == nullptr) return;
  result.text = dns_type_name(message->type);
  result.add(std::string_view(result.text));
}

void read_rcode(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message != nullptr && message->response) result.add(dns_rcode_name(message->rcode));
}

void read_answers(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message == nullptr) return;
  for (const DnsAnswer& answer : message->answers) result.text += answer.text;
  std::string_view rest = result.text;
  for (const DnsAnswer& answer : message->answers) {
    result.add(rest.substr(0, answer.text.size()));
    rest.remove_prefix(answer.text.size());
  }
}

// The name without the part that somebody registered: its last two labels, as a rule.
std::string_view labels_of(std::string_view name) {
  size_t end = name.rfind('.');
  if (end == name.npos || end == 0) return {};
  end = name.rfind('.', end - 1);
  return end == name.npos ? std::string_view() : name.substr(0, end);
}

void read_domain(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message == nullptr) return;
  const std::string_view labels = labels_of(message->name);
  result.text = message->name.substr(labels.empty() ? 0 : labels.size() + 1);
  result.add(std::string_view(result.text));
}

// In front of that: data is cut into as few labels as will hold it.
std::string_view longest_label(std::string_view name) {
  std::string_view rest = labels_of(name), longest;
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    if (label.size() > longest.size()) longest = label;
    rest.remove_prefix(std::min(rest.size(), label.size() + 1));
  }
  return longest;
}

void read_label_length(const FieldRequest& request, FieldResult& result) {
  if (const DnsMessage* message = message_of(request))
    result.add(static_cast<int64_t>(longest_label(message->name).size()));
}

// Of its characters, in hundredths of bits for each.
void read_label_entropy(const FieldRequest& request, FieldResult& result) {
  const DnsMessage* message = message_of(request);
  if (message == nullptr) return;
  std::array<uint32_t, 256> counts{};
  double total = 0, bits = 0;
  for (const char c : longest_label(message->name)) {
    ++counts[static_cast<unsigned char>(c)];
    ++total;
  }
  for (const uint32_t count : counts)
    if (count != 0) bits -= count / total * std::log2(count / total);
  result.add(static_cast<int64_t>(bits * 100));
}

// "GET /path HTTP/1.1": of a proxy the path is a whole address, or its host.
std::string_view http_target(const FieldRequest& request) {
  const Event& event = request.observation.event;
  const auto* payload = event.as<pk_payload>();
  if (payload == nullptr) return {};
  const std::string_view data = event.text(payload->data);
  const size_t method = data.find(' ');
  if (method == data.npos || method == 0 || method > 7) return {};
  const size_t end = data.find_first_of(" \r\n", method + 1);
  const std::string_view target = data.substr(method + 1, end - method - 1);
  if (end != data.npos && !data.substr(end).starts_with(" HTTP/")) return {};
  return target;
}

void read_http_method(const FieldRequest& request, FieldResult& result) {
  if (http_target(request).empty()) return;
  const Event& event = request.observation.event;
  const std::string_view data = event.text(event.as<pk_payload>()->data);
  result.add(data.substr(0, data.find(' ')));
}

void read_http_target(const FieldRequest& request, FieldResult& result) {
  result.add_present(http_target(request));
}

void read_flow_seconds(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* flow = event.as<pk_flow>();
  if (flow != nullptr && flow->opened_ns <= event.header().time_ns)
    result.add(static_cast<int64_t>((event.header().time_ns - flow->opened_ns) / 1'000'000'000));
}

void read_flow_bytes(const FieldRequest& request, FieldResult& result) {
  if (const auto* flow = request.observation.event.as<pk_flow>())
    result.add(static_cast<int64_t>(flow->bytes_in + flow->bytes_out));
}

void read_server_name(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* payload = event.as<pk_payload>();
  if (payload == nullptr) return;
  if (const auto name = server_name_of(event.text(payload->data))) result.add(*name);
}

void read_server_domain(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* payload = event.as<pk_payload>();
  if (payload == nullptr) return;
  if (const auto name = server_name_of(event.text(payload->data))) {
    const std::string_view labels = labels_of(*name);
    result.add(name->substr(labels.empty() ? 0 : labels.size() + 1));
  }
}

}  // namespace

std::span<const Field> message_fields() {
  using enum FieldType;
  constexpr EventMask kDns = mask_of(PK_DNS);
  static const auto kFields = std::to_array<Field>({
      {.name = "dns.question.name",
       .type = text,
       .doc = "Name that was asked for, in lower case, without the final dot",
       .read = read_name,
       .events = kDns},
      {.name = "dns.question.type",
       .type = text,
       .doc = "What was asked for: A AAAA TXT ... TYPE65280",
       .read = read_type,
       .events = kDns},
      {.name = "dns.answers",
       .type = list,
       .doc = "Of an answer: addresses, names and texts",
       .read = read_answers,
       .values = Values::list,
       .events = kDns},
      {.name = "dns.rcode",
       .type = text,
       .doc = "Of an answer: NOERROR NXDOMAIN SERVFAIL ...",
       .read = read_rcode,
       .events = kDns},
      {.name = "dns.question.domain",
       .type = text,
       .doc = "The last two labels of that name",
       .read = read_domain,
       .events = kDns},
      {.name = "dns.question.label",
       .type = number,
       .doc = "Length of the longest label in front of these two",
       .read = read_label_length,
       .events = kDns},
      {.name = "dns.question.entropy",
       .type = number,
       .doc = "Of these characters, hundredths of bits for each: words 300, random digits 350",
       .read = read_label_entropy,
       .events = kDns},
      {.name = "http.method",
       .type = text,
       .doc = "Method of the first HTTP request that an outgoing connection sends in the clear",
       .read = read_http_method,
       .events = mask_of(PK_PAYLOAD)},
      {.name = "http.target",
       .type = text,
       .doc = "What that request asks for: a path; of a proxy an address or a host with its port",
       .read = read_http_target,
       .events = mask_of(PK_PAYLOAD)},
      {.name = "flow.seconds",
       .type = number,
       .doc = "Age of the flow",
       .read = read_flow_seconds,
       .events = mask_of(PK_FLOW)},
      {.name = "flow.bytes",
       .type = number,
       .doc = "What moved through it so far, in both directions",
       .read = read_flow_bytes,
       .events = mask_of(PK_FLOW)},
      {.name = "tls.sni",
       .type = text,
       .doc = "Server's name in the first TLS record of an outgoing connection",
       .read = read_server_name,
       .events = mask_of(PK_PAYLOAD)},
      {.name = "tls.sni.domain",
       .type = text,
       .doc = "The last two labels of that name",
       .read = read_server_domain,
       .events = mask_of(PK_PAYLOAD)},
  });
  return kFields;
}

}  // namespace picket::rule
