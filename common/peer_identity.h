// Who a peer is: the SPIFFE id in the URI SAN of its certificate, its only name. Plain values and
// pure functions, for every thread. Errors: what is no id of ours is nullopt, and the caller
// refuses the peer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace picket {

struct PeerIdentity {
  enum class Kind { node, collector, operator_ };
  Kind kind = Kind::node;
  std::string role;  // of an operator: viewer, analyst, responder, author, admin
  std::string name;
  std::string uri;  // the whole SPIFFE id
};

// nullopt: not an id of `trust_domain` in one of the three forms spiffe://DOMAIN/node/NAME,
// spiffe://DOMAIN/collector/NAME, spiffe://DOMAIN/operator/ROLE/NAME.
std::optional<PeerIdentity> parse_spiffe(std::string_view uri, std::string_view trust_domain);

// Out of all the names of one certificate. nullopt: none, or more than one, is such an id.
std::optional<PeerIdentity> peer_identity(const std::vector<std::string>& names,
                                          std::string_view trust_domain);

}  // namespace picket
