#include "collector/store/sqlite_tables.h"

#include <string_view>
#include <utility>

#include "collector/store/incident.h"
#include "collector/store/sqlite_incidents.h"
#include "common/alert_json.h"

namespace picket::sqlite {

absl::StatusOr<std::unique_ptr<Tables>> Tables::create(const Database& db) {
  std::unique_ptr<Tables> tables(new Tables(db));
  if (absl::Status status = tables->prepare(); !status.ok()) return status;
  return tables;
}

absl::Status Tables::prepare() {
  struct Text {
    Statement Statements::*statement;
    const char* sql;
  };
  static constexpr Text kTexts[] = {
      {&Statements::stream,
       "SELECT last_sequence, missing FROM streams WHERE node = ? AND epoch = ?"},
      {&Statements::set_stream,
       "INSERT INTO streams VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET last_sequence "
       "= excluded.last_sequence, missing = excluded.missing"},
      {&Statements::gap_at,
       "SELECT first, last FROM gaps WHERE node = ? AND epoch = ? AND first <= ? ORDER "
       "BY first DESC LIMIT 1"},
      {&Statements::remove_gap, "DELETE FROM gaps WHERE node = ? AND epoch = ? AND first = ?"},
      {&Statements::add_gap, "INSERT INTO gaps VALUES (?, ?, ?, ?, ?)"},
      {&Statements::count_gaps, "SELECT count(*) FROM gaps WHERE node = ? AND epoch = ?"},
      {&Statements::known_alert,
       "SELECT row, count, stored_ns, last_ns, alert FROM alerts WHERE id = ? AND node = ?"},
      {&Statements::add_alert,
       "INSERT INTO alerts (id, node, time_ns, rule, priority, workspace_id, "
       "workspace_name, count, last_ns, stored_ns, alert, incident, namespace, stage) VALUES (?, "
       "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&Statements::repeat_alert,
       "UPDATE alerts SET count = ?, last_ns = ?, alert = ? WHERE row = ?"},
      {&Statements::known_incident,
       "SELECT row, state, handling FROM incidents WHERE id = ? AND node = ?"},
      {&Statements::add_incident,
       "INSERT INTO incidents (id, node, workspace_id, workspace_name, namespace) VALUES (?, ?, "
       "?, ?, ?)"},
      {&Statements::set_workspace,
       "INSERT INTO workspaces VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET name "
       "= excluded.name, state = excluded.state, changed_ns = excluded.changed_ns, "
       "status = excluded.status"},
      {&Statements::present, "SELECT status FROM workspaces WHERE node = ? AND state <> ?"},
      {&Statements::forget_gone,
       "DELETE FROM workspaces WHERE node = ? AND state = ? AND id IN (SELECT id FROM "
       "workspaces WHERE node = ? AND state = ? ORDER BY changed_ns DESC LIMIT -1 OFFSET"
       " ?)"},
      {&Statements::set_session,
       "INSERT INTO agent_sessions VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last_ns = "
       "excluded.last_ns, session = excluded.session"},
      {&Statements::forget_sessions,
       "DELETE FROM agent_sessions WHERE node = ? AND last_ns < (SELECT last_ns FROM "
       "agent_sessions WHERE node = ? ORDER BY last_ns DESC LIMIT 1 OFFSET ?)"},
      {&Statements::set_coverage, "UPDATE nodes SET coverage = ? WHERE node = ?"},
      {&Statements::set_sight, "UPDATE nodes SET sight = ? WHERE node = ?"},
      {&Statements::set_rules, "UPDATE nodes SET rules = ? WHERE node = ?"},
      {&Statements::add_result,
       "INSERT INTO command_results (node, command_id, alert_id, workspace_id, ok, "
       "time_ns, result) VALUES (?, ?, ?, ?, ?, ?, ?)"},
      {&Statements::close_command, "UPDATE commands SET state = ? WHERE id = ? AND node = ?"},
      {&Statements::seen,
       "INSERT INTO nodes (node, agent_version, kernel, boot_id, epoch, last_seen_ns) "
       "VALUES (?, '', '', '', ?, ?) ON CONFLICT DO UPDATE SET "
       "last_seen_ns = excluded.last_seen_ns"},
  };
  sql_ = std::make_unique<Statements>();
  for (const Text& text : kTexts) {
    auto statement = db_.prepare(text.sql);
    if (!statement.ok()) return statement.status();
    sql_.get()->*text.statement = *std::move(statement);
  }
  return absl::OkStatus();
}

absl::StatusOr<StreamState> Tables::stream(const NodeBatch& batch) {
  Statement& select = sql_->stream.restart().bind(batch.node).bind(batch.epoch);
  const auto row = select.step();
  if (!row.ok()) return row.status();
  StreamState stream;
  if (*row) stream = {select.number(0), select.number(1), 0};
  select.restart();
  if (stream.missing == 0) return stream;
  Statement& count = sql_->count_gaps.restart().bind(batch.node).bind(batch.epoch);
  const auto counted = count.step();
  if (!counted.ok()) return counted.status();
  stream.gaps = count.number(0);
  count.restart();
  return stream;
}

absl::Status Tables::set_stream(const NodeBatch& batch, const StreamState& stream,
                                uint64_t now_ns) {
  absl::Status status = sql_->set_stream.restart()
                            .bind(batch.node)
                            .bind(batch.epoch)
                            .bind(stream.last)
                            .bind(stream.missing)
                            .run();
  if (!status.ok()) return status;
  return sql_->seen.restart().bind(batch.node).bind(batch.epoch).bind(now_ns).run();
}

absl::StatusOr<std::optional<SequenceRange>> Tables::gap_at(const NodeBatch& batch,
                                                            uint64_t sequence) {
  Statement& at = sql_->gap_at.restart().bind(batch.node).bind(batch.epoch).bind(sequence);
  const auto row = at.step();
  if (!row.ok()) return row.status();
  std::optional<SequenceRange> gap;
  if (*row) gap = SequenceRange{at.number(0), at.number(1)};
  at.restart();
  return gap;
}

absl::Status Tables::add_gap(const NodeBatch& batch, SequenceRange gap, uint64_t now_ns) {
  return sql_->add_gap.restart()
      .bind(batch.node)
      .bind(batch.epoch)
      .bind(gap.first)
      .bind(gap.last)
      .bind(now_ns)
      .run();
}

absl::Status Tables::remove_gap(const NodeBatch& batch, uint64_t first) {
  return sql_->remove_gap.restart().bind(batch.node).bind(batch.epoch).bind(first).run();
}

absl::Status Tables::set_fact(const std::string& node, NodeFact fact, const std::string& bytes,
                              uint64_t now_ns) {
  // The node's row has to exist first.
  absl::Status status = sql_->seen.restart().bind(node).bind("").bind(now_ns).run();
  if (!status.ok()) return status;
  Statement& set = fact == NodeFact::coverage ? sql_->set_coverage
                   : fact == NodeFact::sight  ? sql_->set_sight
                                              : sql_->set_rules;
  return set.restart().bind_bytes(bytes).bind(node).run();
}

absl::Status Tables::store_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& outcome) {
  Statement& select = sql_->known_alert.restart().bind(alert.id()).bind(alert.node());
  const auto found = select.step();
  if (!found.ok()) return found.status();
  if (!*found) return add_alert(std::move(alert), now_ns, outcome);
  const KnownAlert known{select.number(0), select.number(1), select.number(2), select.number(3)};
  const bool more = adds_to(known, std::string(select.bytes(4)), alert);
  select.restart();
  if (!more) return absl::OkStatus();
  ++outcome.repeats;
  set_wall_ns(*alert.mutable_stored(), known.stored_ns);
  return sql_->repeat_alert.restart()
      .bind(alert.count())
      .bind(last_ns(alert))
      .bind_bytes(alert.SerializeAsString())
      .bind(known.row)
      .run();
}

absl::Status Tables::add_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& outcome) {
  set_wall_ns(*alert.mutable_stored(), now_ns);
  absl::Status status = sql_->add_alert.restart()
                            .bind(alert.id())
                            .bind(alert.node())
                            .bind(wall_ns(alert.time()))
                            .bind(alert.rule())
                            .bind(static_cast<uint64_t>(alert.priority()))
                            .bind(alert.workspace().id())
                            .bind(alert.workspace().name())
                            .bind(alert.count())
                            .bind(last_ns(alert))
                            .bind(now_ns)
                            .bind_bytes(alert.SerializeAsString())
                            .bind(alert.incident().id())
                            .bind(alert.workspace().pod().namespace_())
                            .bind(alert.incident().stage())
                            .run();
  if (!status.ok()) return status;
  outcome.new_alerts.push_back({db_.last_row(), std::move(alert)});
  return note_incident(outcome.new_alerts.back().alert, outcome);
}

absl::Status Tables::note_incident(const v1::Alert& alert, CommitOutcome& outcome) {
  const IncidentKey key{alert.incident().id(), alert.node()};
  if (key.id.empty()) return absl::OkStatus();
  Statement& known = sql_->known_incident.restart().bind(key.id).bind(key.node);
  const auto found = known.step();
  if (!found.ok()) return found.status();
  if (!*found)
    return sql_->add_incident.restart()
        .bind(key.id)
        .bind(key.node)
        .bind(alert.workspace().id())
        .bind(alert.workspace().name())
        .bind(alert.workspace().pod().namespace_())
        .run();
  const uint64_t row = known.number(0);
  auto handling = read_handling(known.number(1), known.bytes(2));
  known.restart();
  if (!handling.ok()) return handling.status();
  if (!reopens(alert, *handling)) return absl::OkStatus();
  reopen(alert, *handling);
  outcome.reopened.push_back(key);
  return save_handling(db_, row, *handling);
}

absl::Status Tables::set_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                                   uint64_t now_ns) {
  return sql_->set_workspace.restart()
      .bind(node)
      .bind(status.workspace().id())
      .bind(status.workspace().name())
      .bind(static_cast<uint64_t>(status.state()))
      .bind(now_ns)
      .bind_bytes(status.SerializeAsString())
      .run();
}

absl::Status Tables::forget_gone(const std::string& node, uint64_t kept) {
  return sql_->forget_gone.restart()
      .bind(node)
      .bind(uint64_t{v1::WORKSPACE_STATE_GONE})
      .bind(node)
      .bind(uint64_t{v1::WORKSPACE_STATE_GONE})
      .bind(kept)
      .run();
}

absl::StatusOr<std::vector<v1::WorkspaceStatus>> Tables::present(const std::string& node) {
  std::vector<v1::WorkspaceStatus> found;
  Statement& select = sql_->present.restart().bind(node).bind(uint64_t{v1::WORKSPACE_STATE_GONE});
  while (true) {
    const auto row = select.step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    const std::string_view bytes = select.bytes(0);
    if (!found.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return absl::DataLossError("a stored workspace cannot be read");
  }
  select.restart();
  return found;
}

absl::Status Tables::set_session(const std::string& node, const v1::AgentSession& session,
                                 uint64_t kept) {
  absl::Status status = sql_->set_session.restart()
                            .bind(node)
                            .bind(session.id())
                            .bind(session.part())
                            .bind(wall_ns(session.last()))
                            .bind_bytes(session.SerializeAsString())
                            .run();
  if (!status.ok()) return status;
  return sql_->forget_sessions.restart().bind(node).bind(node).bind(kept - 1).run();
}

absl::Status Tables::add_result(const std::string& node, const v1::CommandResult& result) {
  absl::Status status = sql_->add_result.restart()
                            .bind(node)
                            .bind(result.command_id())
                            .bind(result.alert_id())
                            .bind(result.workspace_id())
                            .bind(uint64_t{result.ok()})
                            .bind(wall_ns(result.time()))
                            .bind_bytes(result.SerializeAsString())
                            .run();
  if (!status.ok() || result.command_id().empty()) return status;
  // Only the node that was asked can close a command.
  return sql_->close_command.restart()
      .bind(result.ok() ? "done" : "failed")
      .bind(result.command_id())
      .bind(node)
      .run();
}

}  // namespace picket::sqlite
