#include "collector/store/postgres_incidents.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "collector/store/incident.h"
#include "collector/store/postgres_sql.h"
#include "common/alert_json.h"

namespace picket::postgres {
namespace {

constexpr const char* kColumns =
    "number, id, node, workspace_id, workspace_name, namespace, contained_ns, state, handling";

absl::StatusOr<v1::IncidentSummary> read(const Result& rows, int row) {
  v1::IncidentSummary incident;
  incident.set_id(rows.text(row, 1));
  incident.set_node(rows.text(row, 2));
  incident.set_workspace_id(rows.text(row, 3));
  incident.set_workspace_name(rows.text(row, 4));
  incident.set_namespace_(rows.text(row, 5));
  if (rows.number(row, 6) != 0) set_wall_ns(*incident.mutable_contained(), rows.number(row, 6));
  auto handling = read_handling(rows.number(row, 7), rows.bytes(row, 8));
  if (!handling.ok()) return handling.status();
  *incident.mutable_handling() = *std::move(handling);
  return incident;
}

// One question for all of them.
absl::Status add_alerts(Pool& pool, std::vector<v1::IncidentSummary>& incidents) {
  if (incidents.empty()) return absl::OkStatus();
  std::vector<std::string> ids, nodes;
  for (const v1::IncidentSummary& incident : incidents) {
    ids.push_back(incident.id());
    nodes.push_back(incident.node());
  }
  const auto rows = pool.query(
      "SELECT k.i, a.rule, a.stage, count(*), sum(a.count)::bigint, min(a.time_ns), "
      "max(a.last_ns), coalesce(min(nullif(a.priority, 0)), 0) FROM unnest($1, $2) WITH ORDINALITY "
      "AS k(id, node, i) JOIN alerts a ON a.incident = k.id AND a.node = k.node GROUP BY k.i, "
      "a.rule, a.stage ORDER BY k.i, min(a.time_ns), min(a.number)",
      Values().add(ids).add(nodes));
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->rows(); ++row)
    add_part(incidents[rows->number(row, 0) - 1],
             {rows->text(row, 1), rows->text(row, 2), rows->number(row, 3), rows->number(row, 4),
              rows->number(row, 5), rows->number(row, 6), rows->number(row, 7)});
  return absl::OkStatus();
}

absl::Status save_handling(Connection& connection, uint64_t number,
                           const v1::IncidentHandling& handling) {
  return connection
      .run("UPDATE incidents SET state = $1, assignee = $2, handling = $3 WHERE number = $4",
           Values()
               .add(static_cast<uint64_t>(handling.state()))
               .add(handling.assignee())
               .add_bytes(handling.SerializeAsString())
               .add(number))
      .status();
}

absl::Status begin_incidents(Connection& connection, const std::vector<StoredAlert>& alerts) {
  std::vector<std::string> ids, nodes, workspaces, names, namespaces;
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& [row, alert] : alerts) {
    const std::string& id = alert.incident().id();
    if (id.empty() || !seen.emplace(id, alert.node()).second) continue;
    ids.push_back(id);
    nodes.push_back(alert.node());
    workspaces.push_back(alert.workspace().id());
    names.push_back(alert.workspace().name());
    namespaces.push_back(alert.workspace().pod().namespace_());
  }
  if (ids.empty()) return absl::OkStatus();
  return connection
      .run(
          "INSERT INTO incidents (id, node, workspace_id, workspace_name, namespace) SELECT k.id, "
          "k.node, k.workspace, k.name, k.namespace FROM unnest($1, $2, $3, $4, $5) WITH "
          "ORDINALITY AS k(id, node, workspace, name, namespace, i) ORDER BY k.i ON CONFLICT (id, "
          "node) DO NOTHING",
          Values().add(ids).add(nodes).add(workspaces).add(names).add(namespaces))
      .status();
}

}  // namespace

absl::Status note_incidents(Connection& connection, CommitOutcome& outcome) {
  absl::Status status = begin_incidents(connection, outcome.new_alerts);
  if (!status.ok()) return status;
  std::vector<std::string> ids, nodes;
  std::vector<const v1::Alert*> alerts;
  for (const auto& [row, alert] : outcome.new_alerts) {
    if (alert.incident().id().empty()) continue;
    ids.push_back(alert.incident().id());
    nodes.push_back(alert.node());
    alerts.push_back(&alert);
  }
  if (ids.empty()) return absl::OkStatus();
  const auto resolved = connection.run(
      "SELECT i.number, k.i, i.state, i.handling FROM unnest($1, $2) WITH ORDINALITY AS k(id, "
      "node, i) JOIN incidents i ON i.id = k.id AND i.node = k.node WHERE i.state = $3 ORDER BY "
      "k.i",
      Values().add(ids).add(nodes).add(uint64_t{v1::INCIDENT_STATE_RESOLVED}));
  if (!resolved.ok()) return resolved.status();
  std::set<uint64_t> done;
  for (int row = 0; row < resolved->rows(); ++row) {
    const v1::Alert& alert = *alerts[resolved->number(row, 1) - 1];
    auto handling = read_handling(resolved->number(row, 2), resolved->bytes(row, 3));
    if (!handling.ok()) return handling.status();
    const uint64_t number = resolved->number(row, 0);
    if (!reopens(alert, *handling) || !done.insert(number).second) continue;
    reopen(alert, *handling);
    outcome.reopened.push_back({alert.incident().id(), alert.node()});
    if (status = save_handling(connection, number, *handling); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status note_containments(Connection& connection, CommitOutcome& outcome) {
  for (const auto& [node, result] : outcome.results) {
    if (!contains(result)) continue;
    const auto contained = connection.run(
        "WITH known AS (SELECT i.number, (SELECT min(a.time_ns) FROM alerts a WHERE a.incident = "
        "i.id AND a.node = i.node) AS first FROM incidents i WHERE i.node = $2 AND i.workspace_id "
        "= $3 AND i.contained_ns = 0 AND i.state <> $4) UPDATE incidents i SET contained_ns = $1 "
        "FROM known WHERE i.number = known.number AND known.first <= $1 RETURNING $1 - known.first",
        Values()
            .add(wall_ns(result.time()))
            .add(node)
            .add(result.workspace_id())
            .add(uint64_t{v1::INCIDENT_STATE_RESOLVED}));
    if (!contained.ok()) return contained.status();
    for (int row = 0; row < contained->rows(); ++row)
      outcome.contained_after_ns.push_back(contained->number(row, 0));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::IncidentHandling> change_incident(Connection& connection, const IncidentKey& key,
                                                     uint64_t revision,
                                                     const v1::IncidentChange& change) {
  const auto found =
      connection.run("SELECT number, state, handling FROM incidents WHERE id = $1 AND node = $2",
                     Values().add(key.id).add(key.node));
  if (!found.ok()) return found.status();
  if (found->rows() == 0) return absl::NotFoundError(fmt::format("no incident \"{}\"", key.id));
  auto handling = read_handling(found->number(0, 1), found->bytes(0, 2));
  absl::Status status =
      handling.ok() ? change_handling(*handling, revision, change) : handling.status();
  if (status.ok()) status = save_handling(connection, found->number(0, 0), *handling);
  if (!status.ok()) return status;
  return handling;
}

absl::StatusOr<uint64_t> forget_incidents(Connection& connection) {
  const auto gone = connection.run(
      "DELETE FROM incidents i USING (SELECT number FROM incidents ORDER BY number LIMIT 10000) "
      "oldest WHERE i.number = oldest.number AND NOT EXISTS (SELECT 1 FROM alerts a WHERE "
      "a.incident = i.id AND a.node = i.node) RETURNING i.number");
  if (!gone.ok()) return gone.status();
  return static_cast<uint64_t>(gone->rows());
}

absl::StatusOr<IncidentPage> incidents(Pool& pool, const IncidentQuery& query) {
  Sql sql(fmt::format("SELECT {} FROM incidents i", kColumns));
  sql.add(" WHERE number < {v}", query.before);
  const std::vector<uint64_t> states(query.states.begin(), query.states.end());
  if (!states.empty()) sql.add(" AND state = ANY({v})", states);
  if (!query.assignee.empty()) sql.add(" AND assignee = {v}", query.assignee);
  if (!query.workspace.empty())
    sql.add(" AND (workspace_name = {v} OR workspace_id ^@ {v})", query.workspace);
  if (query.since_ns != 0)
    sql.add(
        " AND EXISTS (SELECT 1 FROM alerts a WHERE a.incident = i.id AND a.node = i.node AND "
        "a.last_ns >= {v})",
        query.since_ns);
  const auto rows = sql.in_namespaces(query.namespaces)
                        .add(" ORDER BY number DESC LIMIT {v}", uint64_t{query.limit} + 1)
                        .ask(pool);
  if (!rows.ok()) return rows.status();
  IncidentPage page;
  for (int row = 0; row < rows->rows(); ++row) {
    if (page.incidents.size() == query.limit) {
      page.next = rows->number(row - 1, 0);
      break;
    }
    auto incident = read(*rows, row);
    if (!incident.ok()) return incident.status();
    incident->mutable_handling()->clear_history();
    page.incidents.push_back(*std::move(incident));
  }
  if (absl::Status status = add_alerts(pool, page.incidents); !status.ok()) return status;
  return page;
}

absl::StatusOr<v1::IncidentSummary> incident(Pool& pool, const IncidentKey& key) {
  if (key.id.empty()) return absl::InvalidArgumentError("which incident? its id is empty");
  const auto rows = pool.query(
      fmt::format(
          "SELECT {} FROM incidents WHERE id ^@ $1 AND $2 IN ('', node) ORDER BY id LIMIT 2",
          kColumns),
      Values().add(key.id).add(key.node));
  if (!rows.ok()) return rows.status();
  if (rows->rows() == 0) return absl::NotFoundError(fmt::format("no incident \"{}\"", key.id));
  auto first = read(*rows, 0);
  if (!first.ok()) return first.status();
  std::vector<v1::IncidentSummary> one{*std::move(first)};
  // An exact id stands first; beside it only the same id of another node is a second answer.
  if (rows->rows() > 1 && (one[0].id() != key_text(key.id) || rows->text(1, 1) == one[0].id()))
    return ambiguous_incident(key.id, one[0], rows->text(1, 1), rows->text(1, 2));
  if (absl::Status status = add_alerts(pool, one); !status.ok()) return status;
  return std::move(one[0]);
}

absl::StatusOr<std::map<v1::IncidentState, uint64_t>> incident_counts(Pool& pool) {
  const auto rows =
      pool.query("SELECT state, count(*) FROM incidents WHERE state IN (1, 2) GROUP BY state");
  if (!rows.ok()) return rows.status();
  std::map<v1::IncidentState, uint64_t> counts{{v1::INCIDENT_STATE_OPEN, 0},
                                               {v1::INCIDENT_STATE_ACKNOWLEDGED, 0}};
  for (int row = 0; row < rows->rows(); ++row)
    counts[static_cast<v1::IncidentState>(rows->number(row, 0))] = rows->number(row, 1);
  return counts;
}

}  // namespace picket::postgres
