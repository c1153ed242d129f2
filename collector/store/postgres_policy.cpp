#include "collector/store/postgres_policy.h"

#include <fmt/format.h>

namespace picket::postgres {
namespace {

absl::StatusOr<v1::RuleBundleInfo> info_of(const Result& rows, int row) {
  v1::RuleBundleInfo info;
  if (!info.ParseFromString(rows.text(row, 0)))
    return absl::DataLossError("read a stored bundle of rules: it is damaged");
  return info;
}

}  // namespace

absl::Status remove_bundle(Connection& connection, const std::string& bundle_id) {
  return connection.run("DELETE FROM rule_bundles WHERE id = $1", Values().add(bundle_id)).status();
}

absl::Status add_bundle(Connection& connection, const RuleBundle& bundle) {
  const std::string& id = bundle.info.bundle_id();
  if (absl::Status status = remove_bundle(connection, id); !status.ok()) return status;
  return connection
      .run("INSERT INTO rule_bundles (id, info, bundle) VALUES ($1, $2, $3)",
           Values().add(id).add_bytes(bundle.info.SerializeAsString()).add_bytes(bundle.bytes))
      .status();
}

// Of two collectors that change it at once, the second waits for the row and finds it changed.
absl::Status set_policy(Connection& connection, const v1::FleetPolicy& policy) {
  const auto set = connection.run(
      "INSERT INTO policy VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET revision = "
      "excluded.revision, policy = excluded.policy WHERE policy.revision = excluded.revision - 1 "
      "RETURNING 1::bigint",
      Values().add(policy.revision()).add_bytes(policy.SerializeAsString()));
  if (!set.ok()) return set.status();
  if (set->rows() == 0) return absl::AbortedError("another collector has changed the policy");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles(Pool& pool) {
  const auto rows = pool.query("SELECT info FROM rule_bundles ORDER BY number");
  if (!rows.ok()) return rows.status();
  std::vector<v1::RuleBundleInfo> infos;
  for (int row = 0; row < rows->rows(); ++row) {
    auto info = info_of(*rows, row);
    if (!info.ok()) return info.status();
    infos.push_back(*std::move(info));
  }
  return infos;
}

absl::StatusOr<RuleBundle> bundle(Pool& pool, const std::string& bundle_id) {
  const auto rows =
      pool.query("SELECT info, bundle FROM rule_bundles WHERE id = $1", Values().add(bundle_id));
  if (!rows.ok()) return rows.status();
  if (rows->rows() == 0)
    return absl::NotFoundError(fmt::format("no bundle of rules {}", bundle_id));
  auto info = info_of(*rows, 0);
  if (!info.ok()) return info.status();
  return RuleBundle{*std::move(info), rows->text(0, 1)};
}

absl::StatusOr<v1::FleetPolicy> policy(Pool& pool) {
  const auto rows = pool.query("SELECT policy FROM policy");
  if (!rows.ok()) return rows.status();
  if (rows->rows() == 0) return absl::NotFoundError("no policy was set");
  v1::FleetPolicy policy;
  if (!policy.ParseFromString(rows->text(0, 0)))
    return absl::DataLossError("read the stored policy: it is damaged");
  return policy;
}

}  // namespace picket::postgres
