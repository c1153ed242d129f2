// What the nodes shall have, on SQLite: versions of rules, and the policy that hands them out. A
// Database is used by one thread at a time. Errors: as the store's; the caller's transaction is
// rolled back.
#pragma once

#include <string>
#include <vector>

#include "collector/store/sqlite.h"
#include "collector/store/store.h"

namespace picket::sqlite {

absl::Status add_bundle(const Database& db, const RuleBundle& bundle);
absl::Status remove_bundle(const Database& db, const std::string& bundle_id);
absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles(const Database& db);
absl::StatusOr<RuleBundle> bundle(const Database& db, const std::string& bundle_id);

absl::Status set_policy(const Database& db, const v1::FleetPolicy& policy);
absl::StatusOr<v1::FleetPolicy> policy(const Database& db);

}  // namespace picket::sqlite
