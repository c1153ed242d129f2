// The PostgreSQL schema, its versions, and the partitions of its alerts: one for each UTC day on
// which alerts were stored. Called by whoever owns the store's writing connection. Errors: a
// database of a newer Picket, or a schema "picket" of another program, is refused in words and left
// untouched.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/postgres.h"

namespace picket::postgres {

// Creates the schema or brings an older one up to date, one transaction per version; collectors
// that start together wait for each other.
absl::Status migrate(Connection& connection);

// Days since the epoch.
inline uint64_t day_of(uint64_t wall_ns) { return wall_ns / 86'400'000'000'000U; }

// Makes the partition of `day` and of the next one.
absl::Status make_days(Connection& connection, uint64_t day);
// Drops the partitions of the days before `day`, with all that is in them. How many there were.
absl::StatusOr<size_t> drop_days_before(Connection& connection, uint64_t day);

}  // namespace picket::postgres
