#include "collector/store/sqlite_commit.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/alert_json.h"

namespace picket::sqlite {
namespace {

// More holes than this in one spool are only counted.
constexpr uint64_t kMaxGaps = 100'000;
// Workspaces that are gone, kept per node to be named in answers.
constexpr uint64_t kMaxGone = 1000;
// Sessions of AI agents kept per node.
constexpr uint64_t kMaxSessions = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<Commit>> Commit::create(const Database& db) {
  std::unique_ptr<Commit> commit(new Commit(db));
  if (absl::Status status = commit->prepare(); !status.ok()) return status;
  return commit;
}

absl::Status Commit::prepare() {
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
       "workspace_name, count, last_ns, stored_ns, alert, incident, namespace) VALUES (?, ?, ?, "
       "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&Statements::repeat_alert,
       "UPDATE alerts SET count = ?, last_ns = ?, alert = ? WHERE row = ?"},
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

absl::Status Commit::add(const NodeBatch& batch, uint64_t now_ns, CommitOutcome& outcome) {
  auto stream = load(batch);
  if (!stream.ok()) return stream.status();
  for (const v1::Envelope& envelope : batch.batch.envelopes()) {
    const uint64_t sequence = envelope.sequence();
    if (sequence <= stream->last) {
      const auto fills = fill_gap(batch, *stream, sequence, now_ns);
      if (!fills.ok()) return fills.status();
      if (!*fills) {
        ++outcome.duplicates;
        continue;
      }
      --stream->missing;
    } else if (sequence > stream->last + 1) {
      const uint64_t first = stream->last + 1;
      absl::Status status = record_gap(batch, *stream, first, sequence - 1, now_ns);
      if (!status.ok()) return status;
      stream->missing += sequence - first;
      outcome.missing += sequence - first;
    }
    stream->last = std::max(stream->last, sequence);
    absl::Status status = store_body(batch.node, envelope, now_ns, outcome);
    if (!status.ok()) return status;
  }
  outcome.committed.push_back(stream->last);
  absl::Status status = save(batch, *stream);
  if (!status.ok()) return status;
  return sql_->seen.restart().bind(batch.node).bind(batch.epoch).bind(now_ns).run();
}

absl::StatusOr<Commit::Stream> Commit::load(const NodeBatch& batch) {
  Statement& select = sql_->stream.restart().bind(batch.node).bind(batch.epoch);
  const auto row = select.step();
  if (!row.ok()) return row.status();
  Stream stream;
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

absl::Status Commit::save(const NodeBatch& batch, const Stream& stream) {
  return sql_->set_stream.restart()
      .bind(batch.node)
      .bind(batch.epoch)
      .bind(stream.last)
      .bind(stream.missing)
      .run();
}

absl::Status Commit::record_gap(const NodeBatch& batch, Stream& stream, uint64_t first,
                                uint64_t last, uint64_t now_ns) {
  if (stream.gaps >= kMaxGaps) return absl::OkStatus();
  ++stream.gaps;
  return sql_->add_gap.restart()
      .bind(batch.node)
      .bind(batch.epoch)
      .bind(first)
      .bind(last)
      .bind(now_ns)
      .run();
}

absl::StatusOr<bool> Commit::fill_gap(const NodeBatch& batch, Stream& stream, uint64_t sequence,
                                      uint64_t now_ns) {
  Statement& at = sql_->gap_at.restart().bind(batch.node).bind(batch.epoch).bind(sequence);
  const auto row = at.step();
  if (!row.ok()) return row.status();
  const uint64_t first = *row ? at.number(0) : 0;
  const uint64_t last = *row ? at.number(1) : 0;
  at.restart();
  if (first == 0 || sequence > last) return false;
  absl::Status status =
      sql_->remove_gap.restart().bind(batch.node).bind(batch.epoch).bind(first).run();
  --stream.gaps;
  if (status.ok() && first < sequence)
    status = record_gap(batch, stream, first, sequence - 1, now_ns);
  if (status.ok() && sequence < last)
    status = record_gap(batch, stream, sequence + 1, last, now_ns);
  if (!status.ok()) return status;
  return true;
}

absl::Status Commit::store_body(const std::string& node, const v1::Envelope& envelope,
                                uint64_t now_ns, CommitOutcome& outcome) {
  switch (envelope.body_case()) {
    case v1::Envelope::kAlert:
      if (envelope.alert().id().empty() || envelope.alert().rule().empty()) break;
      ++outcome.stored;
      return store_alert(node, envelope.alert(), now_ns, outcome);
    case v1::Envelope::kWorkspace:
      if (envelope.workspace().workspace().id().empty()) break;
      ++outcome.stored;
      return store_workspace(node, envelope.workspace(), now_ns);
    case v1::Envelope::kCoverage:
      ++outcome.stored;
      return store_fact(sql_->set_coverage, node, envelope.coverage().SerializeAsString(), now_ns);
    case v1::Envelope::kSight:
      ++outcome.stored;
      return store_fact(sql_->set_sight, node, envelope.sight().SerializeAsString(), now_ns);
    case v1::Envelope::kRules:
      ++outcome.stored;
      return store_fact(sql_->set_rules, node, envelope.rules().SerializeAsString(), now_ns);
    case v1::Envelope::kSession:
      if (envelope.session().id().empty()) break;
      ++outcome.stored;
      return store_session(node, envelope.session());
    case v1::Envelope::kInventory:
      ++outcome.stored;
      return end_others(node, envelope.inventory(), now_ns);
    case v1::Envelope::kResult:
      ++outcome.stored;
      return store_result(node, envelope.result(), outcome);
    case v1::Envelope::BODY_NOT_SET:
      break;  // also a body that only a newer agent knows
  }
  // Refusing it would make the agent send it for ever.
  ++outcome.skipped;
  return absl::OkStatus();
}

absl::Status Commit::store_fact(Statement& set, const std::string& node, const std::string& fact,
                                uint64_t now_ns) {
  // The node's row has to exist first.
  absl::Status status = sql_->seen.restart().bind(node).bind("").bind(now_ns).run();
  if (!status.ok()) return status;
  return set.restart().bind_bytes(fact).bind(node).run();
}

absl::Status Commit::store_alert(const std::string& node, v1::Alert alert, uint64_t now_ns,
                                 CommitOutcome& outcome) {
  alert.set_node(node);
  if (alert.count() == 0) alert.set_count(1);
  const uint64_t last_ns = wall_ns(alert.has_last() ? alert.last() : alert.time());
  Statement& known = sql_->known_alert.restart().bind(alert.id()).bind(node);
  const auto found = known.step();
  if (!found.ok()) return found.status();
  if (*found) {
    const uint64_t row = known.number(0), count = known.number(1), stored_ns = known.number(2),
                   known_ns = known.number(3);
    // An alert that grows is told anew with the count that it had, and one of which more became
    // known (the hash of a program) with its time as well.
    const auto says_more = [&] {
      v1::Alert stored;
      return stored.ParseFromString(std::string(known.bytes(4))) &&
             alert.fields_size() > stored.fields_size();
    };
    const bool is_newer =
        alert.count() > count ||
        (alert.count() == count && (last_ns > known_ns || (last_ns == known_ns && says_more())));
    known.restart();
    if (!is_newer) return absl::OkStatus();
    ++outcome.repeats;
    set_wall_ns(*alert.mutable_stored(), stored_ns);
    return sql_->repeat_alert.restart()
        .bind(alert.count())
        .bind(last_ns)
        .bind_bytes(alert.SerializeAsString())
        .bind(row)
        .run();
  }
  set_wall_ns(*alert.mutable_stored(), now_ns);
  absl::Status status = sql_->add_alert.restart()
                            .bind(alert.id())
                            .bind(node)
                            .bind(wall_ns(alert.time()))
                            .bind(alert.rule())
                            .bind(static_cast<uint64_t>(alert.priority()))
                            .bind(alert.workspace().id())
                            .bind(alert.workspace().name())
                            .bind(alert.count())
                            .bind(last_ns)
                            .bind(now_ns)
                            .bind_bytes(alert.SerializeAsString())
                            .bind(alert.incident().id())
                            .bind(alert.workspace().pod().namespace_())
                            .run();
  if (status.ok()) outcome.new_alerts.push_back({db_.last_row(), std::move(alert)});
  return status;
}

absl::Status Commit::store_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                                     uint64_t now_ns) {
  absl::Status stored = sql_->set_workspace.restart()
                            .bind(node)
                            .bind(status.workspace().id())
                            .bind(status.workspace().name())
                            .bind(static_cast<uint64_t>(status.state()))
                            .bind(now_ns)
                            .bind_bytes(status.SerializeAsString())
                            .run();
  if (!stored.ok() || status.state() != v1::WORKSPACE_STATE_GONE) return stored;
  return sql_->forget_gone.restart()
      .bind(node)
      .bind(uint64_t{v1::WORKSPACE_STATE_GONE})
      .bind(node)
      .bind(uint64_t{v1::WORKSPACE_STATE_GONE})
      .bind(kMaxGone)
      .run();
}

// Each tells the whole session: the last one stands.
absl::Status Commit::store_session(const std::string& node, const v1::AgentSession& session) {
  absl::Status status = sql_->set_session.restart()
                            .bind(node)
                            .bind(session.id())
                            .bind(session.part())
                            .bind(wall_ns(session.last()))
                            .bind_bytes(session.SerializeAsString())
                            .run();
  if (!status.ok()) return status;
  return sql_->forget_sessions.restart().bind(node).bind(node).bind(kMaxSessions - 1).run();
}

absl::Status Commit::end_others(const std::string& node, const v1::WorkspaceInventory& inventory,
                                uint64_t now_ns) {
  const std::set<std::string_view> running(inventory.workspace_ids().begin(),
                                           inventory.workspace_ids().end());
  std::vector<v1::WorkspaceStatus> ended;
  Statement& present = sql_->present.restart().bind(node).bind(uint64_t{v1::WORKSPACE_STATE_GONE});
  while (true) {
    const auto row = present.step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::WorkspaceStatus status;
    const std::string_view bytes = present.bytes(0);
    if (!status.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return absl::DataLossError("a stored workspace cannot be read");
    if (!running.contains(status.workspace().id())) ended.push_back(std::move(status));
  }
  present.restart();
  for (v1::WorkspaceStatus& status : ended) {
    status.set_state(v1::WORKSPACE_STATE_GONE);
    status.set_processes(0);
    set_wall_ns(*status.mutable_since(), now_ns);
    absl::Status stored = store_workspace(node, status, now_ns);
    if (!stored.ok()) return stored;
  }
  return absl::OkStatus();
}

absl::Status Commit::store_result(const std::string& node, const v1::CommandResult& result,
                                  CommitOutcome& outcome) {
  absl::Status status = sql_->add_result.restart()
                            .bind(node)
                            .bind(result.command_id())
                            .bind(result.alert_id())
                            .bind(result.workspace_id())
                            .bind(uint64_t{result.ok()})
                            .bind(wall_ns(result.time()))
                            .bind_bytes(result.SerializeAsString())
                            .run();
  if (status.ok() && !result.command_id().empty()) {
    // Only the node that was asked can close a command.
    status = sql_->close_command.restart()
                 .bind(result.ok() ? "done" : "failed")
                 .bind(result.command_id())
                 .bind(node)
                 .run();
  }
  if (status.ok()) outcome.results.push_back({node, result});
  return status;
}

}  // namespace picket::sqlite
