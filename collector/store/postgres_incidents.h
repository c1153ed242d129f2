// Incidents on PostgreSQL: what was done about each; the rest is asked of its alerts. What changes
// something works in the caller's transaction, which has the turn to ingest, and belongs to its
// thread; questions come from any. Errors: as the store's; the caller rolls back.
#pragma once

#include <map>

#include "collector/store/postgres.h"
#include "collector/store/postgres_pool.h"
#include "collector/store/store.h"

namespace picket::postgres {

// Of the new alerts of a commit: begins their incidents, or opens them again.
absl::Status note_incidents(Connection& connection, CommitOutcome& outcome);
// Which incidents the results of a commit contained.
absl::Status note_containments(Connection& connection, CommitOutcome& outcome);
absl::StatusOr<v1::IncidentHandling> change_incident(Connection& connection, const IncidentKey& key,
                                                     uint64_t revision,
                                                     const v1::IncidentChange& change);
// Of the oldest 10,000 those without an alert. How many there were.
absl::StatusOr<uint64_t> forget_incidents(Connection& connection);

absl::StatusOr<IncidentPage> incidents(Pool& pool, const IncidentQuery& query);
absl::StatusOr<v1::IncidentSummary> incident(Pool& pool, const IncidentKey& key);
absl::StatusOr<std::map<v1::IncidentState, uint64_t>> incident_counts(Pool& pool);

}  // namespace picket::postgres
