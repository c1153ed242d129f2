// The input is a DNS message as a workspace's resolver might send it. Whatever it holds, nothing is
// read outside, what comes out is printable and bounded, and the names stay within their bounds.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "agent/enrich/dns_message.h"
#include "agent/enrich/peer_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace picket;
  static DnsMessage message;
  static PeerNames names({.max_workspaces = 2, .max_addresses = 4});
  static uint64_t time_ns = 0;
  // A copy of exactly its size, so that the sanitizer sees one byte too far.
  const auto copy = std::make_unique<char[]>(size);
  std::copy_n(data, size, copy.get());
  for (const bool over_tcp : {false, true}) {
    if (!message.decode({copy.get(), size}, over_tcp)) continue;
    const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
    if (message.name.empty() || message.name.size() > 4 * 256) __builtin_trap();
    if (!std::ranges::all_of(message.name, printable)) __builtin_trap();
    if (message.answers.size() > DnsMessage::kMaxAnswers) __builtin_trap();
    for (const DnsAnswer& answer : message.answers)
      if (!std::ranges::all_of(answer.text, printable)) __builtin_trap();
    names.learn(size % 3, message, ++time_ns);
    if (!message.answers.empty())
      (void)names.find(size % 3, message.answers.front().address, time_ns);
  }
  return 0;
}
