#include "collector/store/sqlite_incidents.h"

#include <fmt/format.h>

#include <utility>

#include "collector/store/incident.h"
#include "collector/store/lookup.h"
#include "common/alert_json.h"

namespace picket::sqlite {
namespace {

constexpr const char* kColumns =
    "row, id, node, workspace_id, workspace_name, namespace, contained_ns, state, handling";

absl::StatusOr<v1::IncidentSummary> read(const Statement& row) {
  v1::IncidentSummary incident;
  incident.set_id(row.text(1));
  incident.set_node(row.text(2));
  incident.set_workspace_id(row.text(3));
  incident.set_workspace_name(row.text(4));
  incident.set_namespace_(row.text(5));
  if (row.number(6) != 0) set_wall_ns(*incident.mutable_contained(), row.number(6));
  auto handling = read_handling(row.number(7), row.bytes(8));
  if (!handling.ok()) return handling.status();
  *incident.mutable_handling() = *std::move(handling);
  return incident;
}

absl::Status add_alerts(const Database& db, v1::IncidentSummary& incident) {
  auto select = db.prepare(
      "SELECT rule, stage, count(*), sum(count), min(time_ns), max(last_ns), "
      "coalesce(min(nullif(priority, 0)), 0) FROM alerts WHERE incident = ? AND node = ? GROUP BY "
      "rule, stage ORDER BY min(time_ns), min(row)");
  if (!select.ok()) return select.status();
  select->bind(incident.id()).bind(incident.node());
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    add_part(incident, {select->text(0), select->text(1), select->number(2), select->number(3),
                        select->number(4), select->number(5), select->number(6)});
  }
}

// A condition with a question mark for each.
std::string among(std::string_view column, size_t count) {
  if (count == 0) return "";
  std::string condition = fmt::format(" AND {} IN (?", column);
  for (size_t i = 1; i < count; ++i) condition += ", ?";
  return condition + ")";
}

absl::StatusOr<Statement> select_page(const Database& db, const IncidentQuery& query) {
  std::string sql = fmt::format("SELECT {} FROM incidents WHERE row < ?", kColumns);
  sql += among("state", query.states.size()) + among("namespace", query.namespaces.size());
  if (!query.assignee.empty()) sql += " AND assignee = ?";
  if (!query.workspace.empty())
    sql += " AND (workspace_name = ? OR (workspace_id >= ? AND workspace_id < ?))";
  if (query.since_ns != 0)
    sql +=
        " AND EXISTS (SELECT 1 FROM alerts WHERE alerts.incident = incidents.id AND alerts.node = "
        "incidents.node AND last_ns >= ?)";
  auto select = db.prepare(sql + " ORDER BY row DESC LIMIT ?");
  if (!select.ok()) return select;
  select->bind(query.before);
  for (const v1::IncidentState state : query.states) select->bind(static_cast<uint64_t>(state));
  for (const std::string& name : query.namespaces) select->bind(name);
  if (!query.assignee.empty()) select->bind(query.assignee);
  if (!query.workspace.empty())
    select->bind(query.workspace).bind(query.workspace).bind(after_prefix(query.workspace));
  if (query.since_ns != 0) select->bind(query.since_ns);
  select->bind(uint64_t{query.limit} + 1);
  return select;
}

}  // namespace

absl::Status save_handling(const Database& db, uint64_t row, const v1::IncidentHandling& handling) {
  auto save =
      db.prepare("UPDATE incidents SET state = ?, assignee = ?, handling = ? WHERE row = ?");
  if (!save.ok()) return save.status();
  return save->bind(static_cast<uint64_t>(handling.state()))
      .bind(handling.assignee())
      .bind_bytes(handling.SerializeAsString())
      .bind(row)
      .run();
}

// Nobody else writes: what was read stands.
absl::StatusOr<v1::IncidentHandling> change_incident(const Database& db, const IncidentKey& key,
                                                     uint64_t revision,
                                                     const v1::IncidentChange& change) {
  auto select = db.prepare("SELECT row, state, handling FROM incidents WHERE id = ? AND node = ?");
  if (!select.ok()) return select.status();
  const auto found = select->bind(key.id).bind(key.node).step();
  if (!found.ok()) return found.status();
  if (!*found) return absl::NotFoundError(fmt::format("no incident \"{}\"", key.id));
  const uint64_t row = select->number(0);
  auto handling = read_handling(select->number(1), select->bytes(2));
  absl::Status status =
      handling.ok() ? change_handling(*handling, revision, change) : handling.status();
  if (status.ok()) status = save_handling(db, row, *handling);
  if (!status.ok()) return status;
  return handling;
}

absl::Status note_containments(const Database& db, CommitOutcome& outcome) {
  for (const auto& [node, result] : outcome.results) {
    if (!contains(result)) continue;
    constexpr std::string_view kFirst =
        "(SELECT min(time_ns) FROM alerts WHERE alerts.incident = incidents.id AND alerts.node = "
        "incidents.node)";
    auto update = db.prepare(
        fmt::format("UPDATE incidents SET contained_ns = ?1 WHERE node = ?2 AND workspace_id = ?3 "
                    "AND contained_ns = 0 AND state <> ?4 AND {0} <= ?1 RETURNING ?1 - {0}",
                    kFirst));
    if (!update.ok()) return update.status();
    update->bind(wall_ns(result.time()))
        .bind(node)
        .bind(result.workspace_id())
        .bind(uint64_t{v1::INCIDENT_STATE_RESOLVED});
    while (true) {
      const auto row = update->step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      outcome.contained_after_ns.push_back(update->number(0));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<IncidentPage> incidents(const Database& db, const IncidentQuery& query) {
  auto select = select_page(db, query);
  if (!select.ok()) return select.status();
  IncidentPage page;
  for (uint64_t last = 0;; last = select->number(0)) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    if (page.incidents.size() == query.limit) {
      page.next = last;
      return page;
    }
    auto incident = read(*select);
    if (!incident.ok()) return incident.status();
    incident->mutable_handling()->clear_history();
    if (absl::Status status = add_alerts(db, *incident); !status.ok()) return status;
    page.incidents.push_back(*std::move(incident));
  }
}

absl::StatusOr<v1::IncidentSummary> incident(const Database& db, const IncidentKey& key) {
  if (key.id.empty()) return absl::InvalidArgumentError("which incident? its id is empty");
  auto select = db.prepare(
      fmt::format("SELECT {} FROM incidents WHERE id >= ?1 AND id < ?2 AND ?3 IN ('', node) ORDER "
                  "BY id LIMIT 2",
                  kColumns));
  if (!select.ok()) return select.status();
  auto row = select->bind(key.id).bind(after_prefix(key.id)).bind(key.node).step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(fmt::format("no incident \"{}\"", key.id));
  auto incident = read(*select);
  if (!incident.ok()) return incident.status();
  row = select->step();
  if (!row.ok()) return row.status();
  // An exact id stands first; beside it only the same id of another node is a second answer.
  if (*row && (incident->id() != key.id || select->text(1) == key.id))
    return ambiguous_incident(key.id, *incident, select->text(1), select->text(2));
  if (absl::Status status = add_alerts(db, *incident); !status.ok()) return status;
  return incident;
}

absl::StatusOr<std::map<v1::IncidentState, uint64_t>> incident_counts(const Database& db) {
  std::map<v1::IncidentState, uint64_t> counts;
  for (const auto state : {v1::INCIDENT_STATE_OPEN, v1::INCIDENT_STATE_ACKNOWLEDGED}) {
    const auto count = db.number(
        fmt::format("SELECT count(*) FROM incidents WHERE state = {}", static_cast<int>(state)));
    if (!count.ok()) return count.status();
    counts[state] = *count;
  }
  return counts;
}

}  // namespace picket::sqlite
