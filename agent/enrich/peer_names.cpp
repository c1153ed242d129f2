#include "agent/enrich/peer_names.h"

#include <algorithm>

namespace picket {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

constexpr size_t kNamesBytes = 1024;  // of one address

// In front, once; the oldest are cut off.
void put_first(std::string& texts, std::string_view name) {
  std::string all(name);
  all += '\0';
  std::string_view rest = texts;
  while (!rest.empty()) {
    const std::string_view known = NulList::take(rest);
    if (known == name || all.size() + known.size() + 1 > kNamesBytes) continue;
    all += known;
    all += '\0';
  }
  texts = std::move(all);
}

bool has_address(const DnsAnswer& answer) { return answer.type == 1 || answer.type == 28; }

}  // namespace

void PeerNames::learn(uint64_t workspace, const DnsMessage& message, uint64_t time_ns) {
  if (!message.response || std::ranges::none_of(message.answers, has_address)) return;
  if (!workspaces_.contains(workspace) && workspaces_.size() >= options_.max_workspaces) return;
  Names& names = workspaces_[workspace];
  for (const DnsAnswer& answer : message.answers) {
    if (!has_address(answer)) continue;
    const auto [found, is_new] = names.by_address.try_emplace(Key{answer.address});
    if (found->second.until_ns < time_ns) found->second.texts.clear();
    put_first(found->second.texts, message.name);
    found->second.until_ns =
        time_ns + options_.grace_ns + std::min(answer.ttl_s * kSecondNs, options_.max_ttl_ns);
    if (!is_new) continue;
    names.order.push_back(Key{answer.address});
    if (names.order.size() <= options_.max_addresses) continue;
    names.by_address.erase(names.order.front());
    names.order.pop_front();
  }
}

const PeerNames::Name* PeerNames::known(uint64_t workspace, const IpAddress& address,
                                        uint64_t time_ns) const {
  const auto names = workspaces_.find(workspace);
  if (names == workspaces_.end()) return nullptr;
  const auto name = names->second.by_address.find(Key{address});
  if (name == names->second.by_address.end() || name->second.until_ns < time_ns) return nullptr;
  return &name->second;
}

std::string_view PeerNames::find_all(uint64_t workspace, const IpAddress& address,
                                     uint64_t time_ns) const {
  const Name* name = known(workspace, address, time_ns);
  return name == nullptr ? std::string_view() : std::string_view(name->texts);
}

std::string_view PeerNames::find(uint64_t workspace, const IpAddress& address,
                                 uint64_t time_ns) const {
  std::string_view all = find_all(workspace, address, time_ns);
  return NulList::take(all);
}

}  // namespace picket
