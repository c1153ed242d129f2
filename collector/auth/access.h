// Who may do what, and where. A caller is the SPIFFE id of its certificate and nothing else: the
// role is in it, the scope in the collector's configuration. Plain values and pure functions, any
// thread. What is not known is refused.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/peer_identity.h"
#include "picket/v1/alert.pb.h"

namespace picket {

enum class Access {
  read,         // alerts, workspaces, nodes
  investigate,  // what agents did in their sessions; who ordered and who read what
  triage,       // what is done about incidents
  command,
  rules,
};

// viewer, analyst, responder, author (of policy), admin.
constexpr bool allows(std::string_view role, Access access) {
  const bool admin = role == "admin", responder = role == "responder";
  const bool analyst = role == "analyst", author = role == "author";
  switch (access) {
    case Access::read:
      return admin || responder || analyst || author || role == "viewer";
    case Access::investigate:
    case Access::triage:
      return admin || responder || analyst;
    case Access::command:
      return admin || responder;
    case Access::rules:
      return admin || author;
  }
  return false;
}

// Where a role is worth something; empty: everywhere.
struct Scope {
  std::vector<std::string> namespaces, clusters;
};
// By the operator's SPIFFE id; who is not there has no limits.
using Scopes = std::map<std::string, Scope, std::less<>>;

// Whether it is one of `namespaces`, or its pod's is; empty: all are.
inline bool in_scope(const std::vector<std::string>& namespaces, const std::string& name) {
  return namespaces.empty() || std::ranges::find(namespaces, name) != namespaces.end();
}
inline bool in_scope(const std::vector<std::string>& namespaces, const v1::Workspace& workspace) {
  return in_scope(namespaces, workspace.pod().namespace_());
}

// Who calls, from where, and what they may see.
struct Caller {
  PeerIdentity identity;  // without a URI: its certificate has no name of ours
  std::string source;     // address
  Scope scope;

  std::string actor() const { return identity.uri.empty() ? "unknown" : identity.uri; }
};

}  // namespace picket
