// What may become of an incident, and what its alerts say of it, whatever the database. Pure
// functions, any thread. Errors: Aborted, FailedPrecondition, in words; DataLoss, what was kept is
// damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "collector/store/store.h"

namespace picket {

// The actor of what nobody ordered.
inline constexpr const char* kByItself = "collector";

// `bytes`: empty before the first change.
absl::StatusOr<v1::IncidentHandling> read_handling(uint64_t state, std::string_view bytes);

// Aborted: its revision is not `revision`.
absl::Status change_handling(v1::IncidentHandling& handling, uint64_t revision,
                             const v1::IncidentChange& change);

// Whether a new alert opens its incident again: not those that would not have begun one.
bool reopens(const v1::Alert& alert, const v1::IncidentHandling& handling);
void reopen(const v1::Alert& alert, v1::IncidentHandling& handling);

// Whether it stopped the workspace from doing more.
bool contains(const v1::CommandResult& result);

// Two were meant: ids that begin alike, or one id that two nodes tell.
absl::Status ambiguous_incident(const std::string& asked, const v1::IncidentSummary& one,
                                const std::string& other_id, const std::string& other_node);

// Alerts of an incident that have a rule and a stage in common.
struct IncidentPart {
  std::string rule, stage;
  uint64_t alerts = 0, count = 0, first_ns = 0, last_ns = 0;
  uint64_t priority = 0;  // the most severe; 0: none has one
};
// In the order of their first alerts.
void add_part(v1::IncidentSummary& incident, const IncidentPart& part);

}  // namespace picket
