// Which workspace has which IP address, by what its own sockets were bound to. An address that two
// living ones have (they share the machine's network) is nobody's. Owner: the pipeline thread.
// Errors: none; bounded, and what found no room is not known.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "agent/event/schema.h"

namespace picket {

class OwnAddresses {
 public:
  void learn(const IpAddress& address, uint64_t workspace) {
    if (is_everywhere(address)) return;
    const auto known = by_address_.find(Key{address});
    if (known != by_address_.end()) {
      if (known->second != workspace) known->second = 0;
    } else if (by_address_.size() < kMax) {
      by_address_.emplace(Key{address}, workspace);
    }
  }

  // 0: nobody's.
  uint64_t find(const IpAddress& address) const {
    const auto known = by_address_.find(Key{address});
    return known == by_address_.end() ? 0 : known->second;
  }

  // What was shared may be one workspace's now: that is learnt anew.
  void forget(uint64_t workspace) {
    absl::erase_if(by_address_, [&](const auto& known) {
      return known.second == workspace || known.second == 0;
    });
  }

 private:
  static constexpr size_t kMax = 16384;

  struct Key {
    IpAddress address;
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.address.v6, key.address.bytes);
    }
  };

  // Loopback, link-local and the address of no one: every network namespace has them.
  static bool is_everywhere(const IpAddress& address) {
    const auto& bytes = address.bytes;
    const auto zero = [&](size_t count) {
      return std::all_of(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count),
                         [](uint8_t byte) { return byte == 0; });
    };
    if (!address.v6)
      return bytes[0] == 127 || bytes[0] == 0 || (bytes[0] == 169 && bytes[1] == 254);
    return (zero(15) && bytes[15] <= 1) || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
  }

  absl::flat_hash_map<Key, uint64_t> by_address_;
};

}  // namespace picket
