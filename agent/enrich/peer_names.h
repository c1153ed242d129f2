// Under which name a workspace last asked for an address: what its DNS answers said, bounded for
// each workspace and forgotten by event time. A workspace chooses whom it asks, so a name is what
// it was told, not who is there; it never reaches another workspace. Owner: the pipeline thread.
// Nothing fails: what was pushed out or is too old has no name.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/dns_message.h"
#include "agent/event/schema.h"

namespace picket {

struct PeerNamesOptions {
  size_t max_workspaces = 1024;
  size_t max_addresses = 4096;          // of one workspace; the oldest goes first
  uint64_t grace_ns = 600'000'000'000;  // programs keep an answer longer than they should
  uint64_t max_ttl_ns = 86'400'000'000'000;
};

class PeerNames {
 public:
  explicit PeerNames(PeerNamesOptions options = {}) : options_(options) {}

  void learn(uint64_t workspace, const DnsMessage& message, uint64_t time_ns);
  // The latest name; empty: none. Valid until the next learn() or forget().
  std::string_view find(uint64_t workspace, const IpAddress& address, uint64_t time_ns) const;
  // All of them, each ended by NUL, the latest first: an address of a CDN has several at a time.
  std::string_view find_all(uint64_t workspace, const IpAddress& address, uint64_t time_ns) const;
  void forget(uint64_t workspace) { workspaces_.erase(workspace); }

 private:
  struct Key {
    IpAddress address;
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.address.v6, key.address.bytes);
    }
  };
  struct Name {
    std::string texts;      // each ended by NUL, the latest first
    uint64_t until_ns = 0;  // of all of them: the latest was asked for last
  };
  const Name* known(uint64_t workspace, const IpAddress& address, uint64_t time_ns) const;
  struct Names {
    absl::flat_hash_map<Key, Name> by_address;
    std::deque<Key> order;  // as they were first learnt
  };

  PeerNamesOptions options_;
  absl::flat_hash_map<uint64_t, Names> workspaces_;
};

}  // namespace picket
