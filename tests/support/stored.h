// What the collector has stored that no command prints, read from its database while it runs. The
// test's thread. Errors: a Status that says what was waited for.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "picket/v1/fleet.pb.h"

namespace picket::test {

// In the order in which they were stored, as soon as there are at least `count`.
absl::StatusOr<std::vector<v1::CommandResult>> stored_results(const std::string& database,
                                                              size_t count);

struct AuditRow {
  std::string actor, action, object, reason, outcome;
};
absl::StatusOr<std::vector<AuditRow>> stored_audit(const std::string& database);

// The rows of any query, each as its columns joined by a space.
absl::StatusOr<std::vector<std::string>> stored_rows(const std::string& database,
                                                     const std::string& query);

}  // namespace picket::test
