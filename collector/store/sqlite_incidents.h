// Incidents on SQLite: what was done about each; the rest is asked of its alerts. A Database is
// used by one thread at a time. Errors: as the store's; the caller's transaction is rolled back.
#pragma once

#include <map>

#include "collector/store/sqlite.h"
#include "collector/store/store.h"

namespace picket::sqlite {

absl::Status save_handling(const Database& db, uint64_t row, const v1::IncidentHandling& handling);
absl::StatusOr<v1::IncidentHandling> change_incident(const Database& db, const IncidentKey& key,
                                                     uint64_t revision,
                                                     const v1::IncidentChange& change);
// Which incidents the results of a commit contained.
absl::Status note_containments(const Database& db, CommitOutcome& outcome);

absl::StatusOr<IncidentPage> incidents(const Database& db, const IncidentQuery& query);
absl::StatusOr<v1::IncidentSummary> incident(const Database& db, const IncidentKey& key);
absl::StatusOr<std::map<v1::IncidentState, uint64_t>> incident_counts(const Database& db);

}  // namespace picket::sqlite
