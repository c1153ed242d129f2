#include "common/peer_identity.h"

#include <algorithm>

namespace picket {
namespace {

// Removes the first `/`-terminated part of `path` and returns it; empty when there is none.
std::string_view take_part(std::string_view& path) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(slash + 1);
  return part;
}

// The characters SPIFFE allows in a path segment; a name is safe in logs, file names and queries.
bool plain(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

std::optional<PeerIdentity> parse_spiffe(std::string_view uri, std::string_view trust_domain) {
  constexpr std::string_view kScheme = "spiffe://";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  std::string_view path = uri.substr(kScheme.size());
  if (trust_domain.empty() || take_part(path) != trust_domain) return std::nullopt;

  PeerIdentity peer;
  const std::string_view kind = take_part(path);
  if (kind == "node") {
    peer.kind = PeerIdentity::Kind::node;
  } else if (kind == "collector") {
    peer.kind = PeerIdentity::Kind::collector;
  } else if (kind == "operator") {
    peer.kind = PeerIdentity::Kind::operator_;
    peer.role = take_part(path);
    if (!plain(peer.role)) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (!plain(path)) return std::nullopt;
  peer.name = path;
  peer.uri = uri;
  return peer;
}

std::optional<PeerIdentity> peer_identity(const std::vector<std::string>& uri_names,
                                          std::string_view trust_domain) {
  if (uri_names.size() != 1) return std::nullopt;  // two names: which one speaks?
  return parse_spiffe(uri_names.front(), trust_domain);
}

}  // namespace picket
