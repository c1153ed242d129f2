// What Kubernetes' audit log says of people who go into a pod through the API: exec, attach,
// port-forward. Pure, any thread. Errors: InvalidArgument: the line is no audit event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace picket {

struct ApiAccess {
  std::string audit_id;              // of the request: its stages have it in common
  std::string verb;                  // "exec", "attach" or "portforward"
  std::string user, source, client;  // who, from which address, with which program
  std::vector<std::string> groups;
  std::string ns, pod, container;  // container: empty when the request left the choice to the API
  std::vector<std::string> command;
  uint64_t wall_ns = 0;  // when the API server received it
};

// nullopt: of something else, refused by the API, or of a stage before the stream stood.
absl::StatusOr<std::optional<ApiAccess>> parse_api_access(std::string_view line);

// RFC 3339 in UTC, as audit events have it; nullopt: something else.
std::optional<uint64_t> wall_ns_of(std::string_view rfc3339);

}  // namespace picket
