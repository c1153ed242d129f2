// What the nodes shall have, on PostgreSQL: versions of rules, and the policy that hands them out.
// What changes something works in the caller's transaction and belongs to its thread; questions
// come from any. Errors: as the store's; the caller rolls back.
#pragma once

#include <string>
#include <vector>

#include "collector/store/postgres.h"
#include "collector/store/postgres_pool.h"
#include "collector/store/store.h"

namespace picket::postgres {

absl::Status add_bundle(Connection& connection, const RuleBundle& bundle);
absl::Status remove_bundle(Connection& connection, const std::string& bundle_id);
absl::Status set_policy(Connection& connection, const v1::FleetPolicy& policy);

absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles(Pool& pool);
absl::StatusOr<RuleBundle> bundle(Pool& pool, const std::string& bundle_id);
absl::StatusOr<v1::FleetPolicy> policy(Pool& pool);

}  // namespace picket::postgres
