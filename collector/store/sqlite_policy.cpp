#include "collector/store/sqlite_policy.h"

#include <fmt/format.h>

#include <utility>

namespace picket::sqlite {
namespace {

struct Row {
  uint64_t number = 0;
  v1::RuleBundleInfo info;
};

// There are few, and what is large of each is not read.
absl::StatusOr<std::vector<Row>> rows(const Database& db) {
  auto select = db.prepare("SELECT row, info FROM rule_bundles ORDER BY row");
  if (!select.ok()) return select.status();
  std::vector<Row> rows;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    Row& next = rows.emplace_back();
    next.number = select->number(0);
    if (!next.info.ParseFromString(std::string(select->bytes(1))))
      return absl::DataLossError("read a stored bundle of rules: it is damaged");
  }
}

}  // namespace

absl::Status remove_bundle(const Database& db, const std::string& bundle_id) {
  const auto known = rows(db);
  if (!known.ok()) return known.status();
  for (const Row& row : *known) {
    if (row.info.bundle_id() != bundle_id) continue;
    auto remove = db.prepare("DELETE FROM rule_bundles WHERE row = ?");
    if (!remove.ok()) return remove.status();
    if (absl::Status status = remove->bind(row.number).run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status add_bundle(const Database& db, const RuleBundle& bundle) {
  auto transaction = Transaction::begin(db);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = remove_bundle(db, bundle.info.bundle_id());
  if (!status.ok()) return status;
  auto add = db.prepare("INSERT INTO rule_bundles (info, bundle) VALUES (?, ?)");
  if (!add.ok()) return add.status();
  status = add->bind_bytes(bundle.info.SerializeAsString()).bind_bytes(bundle.bytes).run();
  return status.ok() ? transaction->commit() : status;
}

absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles(const Database& db) {
  auto known = rows(db);
  if (!known.ok()) return known.status();
  std::vector<v1::RuleBundleInfo> infos;
  for (Row& row : *known) infos.push_back(std::move(row.info));
  return infos;
}

absl::StatusOr<RuleBundle> bundle(const Database& db, const std::string& bundle_id) {
  auto known = rows(db);
  if (!known.ok()) return known.status();
  for (Row& row : *known) {
    if (row.info.bundle_id() != bundle_id) continue;
    auto select = db.prepare("SELECT bundle FROM rule_bundles WHERE row = ?");
    if (!select.ok()) return select.status();
    const auto found = select->bind(row.number).step();
    if (!found.ok()) return found.status();
    if (*found) return RuleBundle{std::move(row.info), std::string(select->bytes(0))};
  }
  return absl::NotFoundError(fmt::format("no bundle of rules {}", bundle_id));
}

// Nobody else writes: what was read stands.
absl::Status set_policy(const Database& db, const v1::FleetPolicy& policy) {
  const auto kept = sqlite::policy(db);
  if (!kept.ok() && !absl::IsNotFound(kept.status())) return kept.status();
  if (kept.ok() && kept->revision() + 1 != policy.revision())
    return absl::AbortedError("another collector has changed the policy");
  auto set = db.prepare("INSERT OR REPLACE INTO policy VALUES (1, ?)");
  if (!set.ok()) return set.status();
  return set->bind_bytes(policy.SerializeAsString()).run();
}

absl::StatusOr<v1::FleetPolicy> policy(const Database& db) {
  auto select = db.prepare("SELECT policy FROM policy");
  if (!select.ok()) return select.status();
  const auto row = select->step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError("no policy was set");
  v1::FleetPolicy policy;
  if (!policy.ParseFromString(std::string(select->bytes(0))))
    return absl::DataLossError("read the stored policy: it is damaged");
  return policy;
}

}  // namespace picket::sqlite
