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

// Out of the URI names of one certificate. nullopt: there is not exactly one, whatever the others
// are, or it is no such id. Names of other kinds do not count: authorities let a requester choose
// its DNS names.
std::optional<PeerIdentity> peer_identity(const std::vector<std::string>& uri_names,
                                          std::string_view trust_domain);

}  // namespace picket
