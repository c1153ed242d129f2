#include "collector/store/postgres_tables.h"

#include <algorithm>

#include "collector/store/postgres_incidents.h"
#include "common/alert_json.h"

namespace picket::postgres {
namespace {

constexpr uint64_t kDay = 86'400'000'000'000U;

// The partitions that may know the alert: it was not stored before it happened. A node's clock may
// be a day ahead of ours; of one that is further ahead nothing can be concluded.
uint64_t stored_since(const v1::Alert& alert, uint64_t now_ns) {
  const uint64_t first = wall_ns(alert.has_first() ? alert.first() : alert.time());
  return first < kDay || first > now_ns ? 0 : first - kDay;
}

constexpr const char* kCopyAlerts =
    "COPY alerts (number, id, node, time_ns, rule, priority, workspace_id, workspace_name, "
    "namespace, incident, stage, count, last_ns, stored_ns, alert) FROM STDIN (FORMAT binary)";

void add_row(CopyRows& rows, uint64_t number, const v1::Alert& alert) {
  rows.begin_row(15);
  rows.add(number);
  rows.add(alert.id());
  rows.add(alert.node());
  rows.add(wall_ns(alert.time()));
  rows.add(alert.rule());
  rows.add(static_cast<uint64_t>(alert.priority()));
  rows.add(alert.workspace().id());
  rows.add(alert.workspace().name());
  rows.add(alert.workspace().pod().namespace_());
  rows.add(alert.incident().id());
  rows.add(alert.incident().stage());
  rows.add(alert.count());
  rows.add(last_ns(alert));
  rows.add(wall_ns(alert.stored()));
  rows.add_bytes(alert.SerializeAsString());
}

}  // namespace

absl::Status Tables::load(std::span<const NodeBatch> batches) {
  for (const NodeBatch& batch : batches) streams_.try_emplace({batch.node, batch.epoch});
  std::vector<std::string> nodes, epochs;
  std::vector<StreamState*> states;
  for (auto& [key, state] : streams_) {
    nodes.push_back(key.first);
    epochs.push_back(key.second);
    states.push_back(&state);
  }
  const auto found = connection_.run(
      "SELECT k.i, s.last_sequence, s.missing, CASE WHEN s.missing = 0 THEN 0 ELSE (SELECT "
      "count(*) FROM gaps g WHERE g.node = s.node AND g.epoch = s.epoch) END FROM unnest($1, $2) "
      "WITH ORDINALITY AS k(node, epoch, i) JOIN streams s ON s.node = k.node AND s.epoch = "
      "k.epoch",
      Values().add(nodes).add(epochs));
  if (!found.ok()) return found.status();
  for (int row = 0; row < found->rows(); ++row)
    *states[found->number(row, 0) - 1] = {found->number(row, 1), found->number(row, 2),
                                          found->number(row, 3)};
  return absl::OkStatus();
}

absl::Status Tables::finish(uint64_t now_ns, CommitOutcome& outcome) {
  if (!alerts_.empty()) {
    Entries entries;
    for (const v1::Alert& alert : alerts_) {
      const auto [at, is_first] =
          entries.by_id_of_node.try_emplace({alert.id(), alert.node()}, entries.all.size());
      if (is_first) entries.all.emplace_back().alert = alert;
    }
    absl::Status status = find_known(entries);
    if (!status.ok()) return status;
    merge(entries, outcome);
    status = add_new(entries, outcome);
    if (status.ok()) status = change_known(entries);
    if (!status.ok()) return status;
  }
  if (absl::Status status = note_containments(connection_, outcome); !status.ok()) return status;
  return save_streams(now_ns);
}

absl::Status Tables::find_known(Entries& entries) const {
  std::vector<std::string> ids, nodes;
  uint64_t since = UINT64_MAX;
  for (const Entry& entry : entries.all) {
    ids.push_back(entry.alert.id());
    nodes.push_back(entry.alert.node());
    since = std::min(since, stored_since(entry.alert, wall_ns(entry.alert.stored())));
  }
  const auto found = connection_.run(
      "SELECT k.i, a.number, a.count, a.stored_ns, a.last_ns, a.alert FROM unnest($1, $2) WITH "
      "ORDINALITY AS k(id, node, i) JOIN alerts a ON a.id = k.id AND a.node = k.node AND "
      "a.stored_ns >= $3",
      Values().add(ids).add(nodes).add(since));
  if (!found.ok()) return found.status();
  for (int row = 0; row < found->rows(); ++row) {
    Entry& entry = entries.all[found->number(row, 0) - 1];
    entry.known = {found->number(row, 1), found->number(row, 2), found->number(row, 3),
                   found->number(row, 4)};
    entry.stored = found->bytes(row, 5);
  }
  return absl::OkStatus();
}

// In the order in which they were told; the first telling of a new one is the alert itself.
void Tables::merge(Entries& entries, CommitOutcome& outcome) {
  std::vector<bool> begun(entries.all.size());
  for (v1::Alert& alert : alerts_) {
    const size_t index = entries.by_id_of_node.at({alert.id(), alert.node()});
    Entry& entry = entries.all[index];
    const bool is_new = entry.known.row == 0;
    if (is_new && !begun[index]) {
      begun[index] = true;
      entry.known.stored_ns = wall_ns(alert.stored());
    } else if (adds_to(entry.known, entry.stored, alert)) {
      ++outcome.repeats;
    } else {
      continue;
    }
    set_wall_ns(*alert.mutable_stored(), entry.known.stored_ns);
    entry.known.count = alert.count();
    entry.known.last_ns = last_ns(alert);
    entry.stored = alert.SerializeAsString();
    entry.alert = std::move(alert);
    entry.changed = true;
  }
}

absl::Status Tables::add_new(Entries& entries, CommitOutcome& outcome) const {
  const auto is_new = [](const Entry& entry) { return entry.known.row == 0; };
  const auto count =
      static_cast<uint64_t>(std::count_if(entries.all.begin(), entries.all.end(), is_new));
  if (count == 0) return absl::OkStatus();
  const auto numbers = connection_.run(
      "SELECT nextval('alert_numbers') FROM generate_series(1, $1)", Values().add(count));
  if (!numbers.ok()) return numbers.status();
  CopyRows rows;
  int next = 0;
  for (Entry& entry : entries.all) {
    if (!is_new(entry)) continue;
    const uint64_t number = numbers->number(next++, 0);
    add_row(rows, number, entry.alert);
    outcome.new_alerts.push_back({number, std::move(entry.alert)});
  }
  absl::Status status = connection_.copy(kCopyAlerts, rows.finish());
  return status.ok() ? note_incidents(connection_, outcome) : status;
}

absl::Status Tables::change_known(Entries& entries) const {
  std::vector<uint64_t> numbers, stored, counts, lasts;
  std::vector<std::string> alerts;
  for (const Entry& entry : entries.all) {
    if (entry.known.row == 0 || !entry.changed) continue;
    numbers.push_back(entry.known.row);
    stored.push_back(entry.known.stored_ns);
    counts.push_back(entry.known.count);
    lasts.push_back(entry.known.last_ns);
    alerts.push_back(entry.stored);
  }
  if (numbers.empty()) return absl::OkStatus();
  return connection_
      .run(
          "UPDATE alerts a SET count = k.count, last_ns = k.last_ns, alert = k.alert FROM "
          "unnest($1, $2, $3, $4, $5) AS k(number, stored_ns, count, last_ns, alert) WHERE "
          "a.number = k.number AND a.stored_ns = k.stored_ns",
          Values().add(numbers).add(stored).add(counts).add(lasts).add_bytes(alerts))
      .status();
}

absl::Status Tables::save_streams(uint64_t now_ns) const {
  std::vector<std::string> nodes, epochs, seen, seen_epochs;
  std::vector<uint64_t> last, missing;
  for (const auto& [key, state] : streams_) {
    nodes.push_back(key.first);
    epochs.push_back(key.second);
    last.push_back(state.last);
    missing.push_back(state.missing);
    if (!seen.empty() && seen.back() == key.first) continue;  // ordered by node
    seen.push_back(key.first);
    seen_epochs.push_back(key.second);
  }
  absl::Status status =
      connection_
          .run(
              "INSERT INTO streams SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT (node, epoch) "
              "DO UPDATE SET last_sequence = excluded.last_sequence, missing = excluded.missing",
              Values().add(nodes).add(epochs).add(last).add(missing))
          .status();
  if (!status.ok()) return status;
  return connection_
      .run(
          "INSERT INTO nodes (node, epoch, last_seen_ns) SELECT k.node, k.epoch, $3 FROM "
          "unnest($1, $2) AS k(node, epoch) ON CONFLICT (node) DO UPDATE SET last_seen_ns = "
          "excluded.last_seen_ns",
          Values().add(seen).add(seen_epochs).add(now_ns))
      .status();
}

absl::StatusOr<StreamState> Tables::stream(const NodeBatch& batch) {
  return streams_.at({batch.node, batch.epoch});
}

absl::Status Tables::set_stream(const NodeBatch& batch, const StreamState& stream,
                                uint64_t /*now_ns*/) {
  streams_[{batch.node, batch.epoch}] = stream;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SequenceRange>> Tables::gap_at(const NodeBatch& batch,
                                                            uint64_t sequence) {
  const auto found = connection_.run(
      "SELECT first, last FROM gaps WHERE node = $1 AND epoch = $2 AND first <= $3 ORDER BY first "
      "DESC LIMIT 1",
      Values().add(batch.node).add(batch.epoch).add(sequence));
  if (!found.ok()) return found.status();
  if (found->rows() == 0) return std::nullopt;
  return SequenceRange{found->number(0, 0), found->number(0, 1)};
}

absl::Status Tables::add_gap(const NodeBatch& batch, SequenceRange gap, uint64_t now_ns) {
  return run("INSERT INTO gaps VALUES ($1, $2, $3, $4, $5)",
             Values().add(batch.node).add(batch.epoch).add(gap.first).add(gap.last).add(now_ns));
}

absl::Status Tables::remove_gap(const NodeBatch& batch, uint64_t first) {
  return run("DELETE FROM gaps WHERE node = $1 AND epoch = $2 AND first = $3",
             Values().add(batch.node).add(batch.epoch).add(first));
}

absl::Status Tables::store_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& /*outcome*/) {
  set_wall_ns(*alert.mutable_stored(), now_ns);
  alerts_.push_back(std::move(alert));
  return absl::OkStatus();
}

absl::Status Tables::set_fact(const std::string& node, NodeFact fact, const std::string& bytes,
                              uint64_t now_ns) {
  const char* sql = nullptr;
  switch (fact) {
    case NodeFact::coverage:
      sql =
          "INSERT INTO nodes (node, epoch, last_seen_ns, coverage) VALUES ($1, '', $2, $3) ON "
          "CONFLICT (node) DO UPDATE SET coverage = excluded.coverage";
      break;
    case NodeFact::sight:
      sql =
          "INSERT INTO nodes (node, epoch, last_seen_ns, sight) VALUES ($1, '', $2, $3) ON "
          "CONFLICT (node) DO UPDATE SET sight = excluded.sight";
      break;
    case NodeFact::rules:
      sql =
          "INSERT INTO nodes (node, epoch, last_seen_ns, rules) VALUES ($1, '', $2, $3) ON "
          "CONFLICT (node) DO UPDATE SET rules = excluded.rules";
      break;
  }
  return run(sql, Values().add(node).add(now_ns).add_bytes(bytes));
}

absl::Status Tables::set_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                                   uint64_t now_ns) {
  return run(
      "INSERT INTO workspaces VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (node, id) DO UPDATE SET "
      "name = excluded.name, state = excluded.state, changed_ns = excluded.changed_ns, status = "
      "excluded.status",
      Values()
          .add(node)
          .add(status.workspace().id())
          .add(status.workspace().name())
          .add(static_cast<uint64_t>(status.state()))
          .add(now_ns)
          .add_bytes(status.SerializeAsString()));
}

absl::Status Tables::forget_gone(const std::string& node, uint64_t kept) {
  return run(
      "DELETE FROM workspaces WHERE node = $1 AND state = $2 AND id IN (SELECT id FROM workspaces "
      "WHERE node = $1 AND state = $2 ORDER BY changed_ns DESC OFFSET $3)",
      Values().add(node).add(uint64_t{v1::WORKSPACE_STATE_GONE}).add(kept));
}

absl::StatusOr<std::vector<v1::WorkspaceStatus>> Tables::present(const std::string& node) {
  const auto found =
      connection_.run("SELECT status FROM workspaces WHERE node = $1 AND state <> $2",
                      Values().add(node).add(uint64_t{v1::WORKSPACE_STATE_GONE}));
  if (!found.ok()) return found.status();
  std::vector<v1::WorkspaceStatus> workspaces(static_cast<size_t>(found->rows()));
  for (int row = 0; row < found->rows(); ++row)
    if (!workspaces[static_cast<size_t>(row)].ParseFromString(found->text(row, 0)))
      return absl::DataLossError("a stored workspace cannot be read");
  return workspaces;
}

absl::Status Tables::set_session(const std::string& node, const v1::AgentSession& session,
                                 uint64_t kept) {
  absl::Status status =
      run("INSERT INTO agent_sessions VALUES ($1, $2, $3, $4, $5) ON CONFLICT (node, id, part) DO "
          "UPDATE SET last_ns = excluded.last_ns, session = excluded.session",
          Values()
              .add(node)
              .add(session.id())
              .add(session.part())
              .add(wall_ns(session.last()))
              .add_bytes(session.SerializeAsString()));
  if (!status.ok()) return status;
  return run(
      "DELETE FROM agent_sessions WHERE node = $1 AND last_ns < (SELECT last_ns FROM "
      "agent_sessions WHERE node = $1 ORDER BY last_ns DESC LIMIT 1 OFFSET $2)",
      Values().add(node).add(kept - 1));
}

absl::Status Tables::add_result(const std::string& node, const v1::CommandResult& result) {
  absl::Status status =
      run("INSERT INTO command_results (node, command_id, alert_id, workspace_id, ok, time_ns, "
          "result) VALUES ($1, $2, $3, $4, $5, $6, $7)",
          Values()
              .add(node)
              .add(result.command_id())
              .add(result.alert_id())
              .add(result.workspace_id())
              .add(uint64_t{result.ok()})
              .add(wall_ns(result.time()))
              .add_bytes(result.SerializeAsString()));
  if (!status.ok() || result.command_id().empty()) return status;
  // Only the node that was asked can close a command.
  return run("UPDATE commands SET state = $1 WHERE id = $2 AND node = $3",
             Values().add(result.ok() ? "done" : "failed").add(result.command_id()).add(node));
}

}  // namespace picket::postgres
