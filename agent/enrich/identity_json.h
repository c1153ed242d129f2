// Who a workspace is, as JSON: what a recording keeps between its records (docs/recording.md). Pure
// functions, any thread. Errors: identity_from_json() says which key is missing or of the wrong
// type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/enrich/workspace.h"

namespace picket {

struct Identity {
  uint64_t cgroup_id = 0;
  absl::StatusOr<Workspace> workspace;  // an error: resolving failed, and why
};

std::string identity_to_json(uint64_t cgroup_id, const absl::StatusOr<Workspace>& workspace);
absl::StatusOr<Identity> identity_from_json(std::string_view text);

}  // namespace picket
