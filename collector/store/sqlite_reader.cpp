#include "collector/store/sqlite_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/store/lookup.h"
#include "collector/store/node_row.h"
#include "collector/store/sqlite.h"
#include "collector/store/sqlite_policy.h"
#include "common/alert_json.h"

namespace picket::sqlite {
namespace {

template <class Message>
absl::Status parse(Message& message, const Statement& row, int column, const char* what) {
  const std::string_view bytes = row.bytes(column);
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::OkStatus();
  }
  return absl::DataLossError(fmt::format("read a stored {}: it is damaged", what));
}

// A condition with a question mark for each.
std::string in_namespaces(const AlertQuery& query) {
  if (query.namespaces.empty()) return "";
  std::string condition = " AND namespace IN (?";
  for (size_t i = 1; i < query.namespaces.size(); ++i) condition += ", ?";
  return condition + ")";
}

class Reader final : public StoreReader {
 public:
  explicit Reader(Database db) : db_(std::move(db)) {}

  absl::StatusOr<uint64_t> newest_row() override {
    return db_.number("SELECT coalesce(max(row), 0) FROM alerts");
  }
  absl::StatusOr<uint64_t> alert_count() override {
    return db_.number("SELECT count(*) FROM alerts");
  }
  absl::StatusOr<uint64_t> last_audit_sequence() override {
    return db_.number("SELECT coalesce(max(sequence), 0) FROM audit");
  }
  absl::Status resolve(AlertQuery& query) override;
  absl::StatusOr<AlertCursor> first_page(const AlertQuery& query) override;
  absl::StatusOr<std::vector<StoredAlert>> page(const AlertQuery& query, AlertCursor& cursor,
                                                size_t size) override;
  absl::StatusOr<std::vector<StoredAlert>> alerts_after(uint64_t row, size_t most,
                                                        size_t most_bytes) override;
  absl::StatusOr<v1::Alert> alert(const std::string& id) override;
  absl::StatusOr<std::vector<v1::NodeWorkspace>> workspaces(const std::string& workspace) override;
  absl::StatusOr<std::vector<v1::NodeAgentSession>> agent_sessions(const std::string& session,
                                                                   size_t limit) override;
  absl::StatusOr<std::vector<NodeResult>> results(
      const std::vector<std::string>& commands) override;
  absl::StatusOr<std::vector<v1::Node>> nodes(size_t gaps) override;
  absl::StatusOr<std::vector<v1::AuditEntry>> audit(uint64_t sequence, size_t limit) override;
  absl::StatusOr<std::optional<uint64_t>> output_cursor(const std::string& output) override;
  absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles() override {
    return sqlite::bundles(db_);
  }
  absl::StatusOr<RuleBundle> bundle(const std::string& bundle_id) override {
    return sqlite::bundle(db_, bundle_id);
  }
  absl::StatusOr<v1::FleetPolicy> policy() override { return sqlite::policy(db_); }

 private:
  absl::StatusOr<Statement> select_alerts(const char* columns, const AlertQuery& query,
                                          const AlertCursor& cursor, const char* tail,
                                          uint64_t number) const;
  absl::StatusOr<std::vector<std::string>> texts(std::string_view sql,
                                                 std::vector<std::string> values) const;
  absl::Status add_gaps(v1::Node& node, const std::string& epoch, size_t most) const;

  Database db_;
};

// Unused conditions are left out, so that the index of the used ones is taken.
absl::StatusOr<Statement> Reader::select_alerts(const char* columns, const AlertQuery& query,
                                                const AlertCursor& cursor, const char* tail,
                                                uint64_t number) const {
  std::string sql = fmt::format(
      "SELECT {} FROM alerts WHERE (time_ns, row) > (?, ?) AND time_ns >= ? AND row <= ?", columns);
  if (!query.workspace.empty()) sql += " AND (workspace_id = ? OR workspace_name = ?)";
  if (!query.rule.empty()) sql += " AND rule = ?";
  if (!query.incident.empty()) sql += " AND incident >= ? AND incident < ?";
  sql += in_namespaces(query) + tail;
  auto statement = db_.prepare(sql);
  if (!statement.ok()) return statement;
  statement->bind(cursor.time_ns).bind(cursor.row).bind(query.since_ns).bind(query.up_to_row);
  if (!query.workspace.empty()) statement->bind(query.workspace).bind(query.workspace);
  if (!query.rule.empty()) statement->bind(query.rule);
  if (!query.incident.empty()) statement->bind(query.incident).bind(after_prefix(query.incident));
  for (const std::string& name : query.namespaces) statement->bind(name);
  statement->bind(number);
  return statement;
}

absl::StatusOr<std::vector<std::string>> Reader::texts(std::string_view sql,
                                                       std::vector<std::string> values) const {
  auto statement = db_.prepare(sql);
  if (!statement.ok()) return statement.status();
  for (const std::string& value : values) statement->bind(value);
  std::vector<std::string> found;
  while (true) {
    const auto row = statement->step();
    if (!row.ok()) return row.status();
    if (!*row) return found;
    found.push_back(statement->text(0));
  }
}

absl::Status Reader::resolve(AlertQuery& query) {
  if (query.workspace.empty()) return absl::OkStatus();
  const std::string& asked = query.workspace;
  const std::string scope = in_namespaces(query);
  std::vector<std::string> values{asked};
  values.insert(values.end(), query.namespaces.begin(), query.namespaces.end());
  const auto exact = texts(
      fmt::format("SELECT workspace_id FROM alerts WHERE (workspace_id = ?1 OR workspace_name = "
                  "?1){} LIMIT 1",
                  scope),
      values);
  if (!exact.ok()) return exact.status();
  if (!exact->empty()) return absl::OkStatus();
  values.insert(values.begin() + 1, after_prefix(asked));
  const auto ids =
      texts(fmt::format("SELECT DISTINCT workspace_id FROM alerts WHERE workspace_id >= ? AND "
                        "workspace_id < ?{} LIMIT 2",
                        scope),
            values);
  if (!ids.ok()) return ids.status();
  if (ids->size() > 1) {
    return ambiguous("workspace", asked, ids->front(), ids->back());
  }
  if (ids->size() == 1) query.workspace = ids->front();
  return absl::OkStatus();
}

absl::StatusOr<AlertCursor> Reader::first_page(const AlertQuery& query) {
  if (query.limit == 0) return AlertCursor{};
  auto select = select_alerts("time_ns, row", query, {},
                              " ORDER BY time_ns DESC, row DESC LIMIT 1 OFFSET ?", query.limit);
  if (!select.ok()) return select.status();
  const auto row = select->step();  // the newest one that is no longer wanted
  if (!row.ok()) return row.status();
  if (!*row) return AlertCursor{};
  return AlertCursor{select->number(0), select->number(1)};
}

absl::StatusOr<std::vector<StoredAlert>> Reader::page(const AlertQuery& query, AlertCursor& cursor,
                                                      size_t size) {
  auto select =
      select_alerts("time_ns, row, alert", query, cursor, " ORDER BY time_ns, row LIMIT ?", size);
  if (!select.ok()) return select.status();
  std::vector<StoredAlert> alerts;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return alerts;
    cursor = {select->number(0), select->number(1)};
    StoredAlert& stored = alerts.emplace_back();
    stored.row = cursor.row;
    if (absl::Status status = parse(stored.alert, *select, 2, "alert"); !status.ok()) return status;
  }
}

absl::StatusOr<std::vector<StoredAlert>> Reader::alerts_after(uint64_t row, size_t most,
                                                              size_t most_bytes) {
  auto select = db_.prepare("SELECT row, alert FROM alerts WHERE row > ? ORDER BY row LIMIT ?");
  if (!select.ok()) return select.status();
  select->bind(row).bind(uint64_t{most});
  std::vector<StoredAlert> alerts;
  for (size_t bytes = 0; bytes < most_bytes;) {
    const auto found = select->step();
    if (!found.ok()) return found.status();
    if (!*found) break;
    StoredAlert& stored = alerts.emplace_back();
    stored.row = select->number(0);
    if (absl::Status status = parse(stored.alert, *select, 1, "alert"); !status.ok()) return status;
    bytes += select->bytes(1).size();
  }
  return alerts;
}

absl::StatusOr<v1::Alert> Reader::alert(const std::string& id) {
  if (id.empty()) return absl::InvalidArgumentError("which alert? its id is empty");
  auto select =
      db_.prepare("SELECT id, alert FROM alerts WHERE id >= ? AND id < ? ORDER BY id LIMIT 2");
  if (!select.ok()) return select.status();
  auto row = select->bind(id).bind(after_prefix(id)).step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(fmt::format("no alert \"{}\"", id));
  v1::Alert alert;
  if (absl::Status status = parse(alert, *select, 1, "alert"); !status.ok()) return status;
  const std::string found = select->text(0);
  row = select->step();
  if (!row.ok()) return row.status();
  // An exact id stands first; beside it only the same id of another node is a second answer.
  if (*row && (found != id || select->text(0) == id)) {
    return ambiguous("alert", id, found, select->text(0));
  }
  return alert;
}

absl::StatusOr<std::vector<v1::NodeWorkspace>> Reader::workspaces(const std::string& workspace) {
  auto select = db_.prepare(workspace.empty()
                                ? "SELECT node, status FROM workspaces ORDER BY node, id"
                                : "SELECT node, status FROM workspaces WHERE id >= ?1 AND id < ?2 "
                                  "UNION SELECT node, status FROM workspaces WHERE name = ?1");
  if (!select.ok()) return select.status();
  if (!workspace.empty()) select->bind(workspace).bind(after_prefix(workspace));
  std::vector<v1::NodeWorkspace> found;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::NodeWorkspace& next = found.emplace_back();
    next.set_node(select->text(0));
    absl::Status status = parse(*next.mutable_status(), *select, 1, "workspace");
    if (!status.ok()) return status;
  }
  if (!workspace.empty()) keep_named(workspace, found);
  return found;
}

absl::StatusOr<std::vector<v1::NodeAgentSession>> Reader::agent_sessions(const std::string& session,
                                                                         size_t limit) {
  auto select = db_.prepare(
      session.empty()
          ? "SELECT node, session FROM agent_sessions ORDER BY last_ns DESC LIMIT ?"
          : "SELECT node, session FROM agent_sessions WHERE id >= ? AND id < ? ORDER BY last_ns "
            "DESC");
  if (!select.ok()) return select.status();
  if (session.empty())
    select->bind(uint64_t{limit});
  else
    select->bind(session).bind(after_prefix(session));
  std::vector<v1::NodeAgentSession> found;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::NodeAgentSession& next = found.emplace_back();
    next.set_node(select->text(0));
    absl::Status status = parse(*next.mutable_session(), *select, 1, "agent session");
    if (!status.ok()) return status;
  }
  std::ranges::reverse(found);
  if (session.empty() || found.empty()) return found;
  if (absl::Status status = keep_session(session, found); !status.ok()) return status;
  return found;
}

absl::StatusOr<std::vector<NodeResult>> Reader::results(const std::vector<std::string>& commands) {
  auto select =
      db_.prepare("SELECT node, result FROM command_results WHERE command_id = ? ORDER BY row");
  if (!select.ok()) return select.status();
  std::vector<NodeResult> found;
  for (const std::string& command : commands) {
    select->restart().bind(command);
    while (true) {
      const auto row = select->step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      NodeResult& next = found.emplace_back();
      next.node = select->text(0);
      absl::Status status = parse(next.result, *select, 1, "result");
      if (!status.ok()) return status;
    }
  }
  return found;
}

absl::Status Reader::add_gaps(v1::Node& node, const std::string& epoch, size_t most) const {
  auto stream = db_.prepare("SELECT last_sequence FROM streams WHERE node = ? AND epoch = ?");
  if (!stream.ok()) return stream.status();
  auto row = stream->bind(node.node()).bind(epoch).step();
  if (!row.ok()) return row.status();
  if (*row) node.set_last_sequence(stream->number(0));
  auto missing = db_.prepare("SELECT coalesce(sum(missing), 0) FROM streams WHERE node = ?");
  if (!missing.ok()) return missing.status();
  row = missing->bind(node.node()).step();
  if (!row.ok()) return row.status();
  node.set_missing(missing->number(0));
  auto gaps = db_.prepare(
      "SELECT epoch, first, last FROM gaps WHERE node = ? ORDER BY found_ns DESC, first DESC "
      "LIMIT ?");
  if (!gaps.ok()) return gaps.status();
  gaps->bind(node.node()).bind(uint64_t{most});
  while (true) {
    row = gaps->step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    v1::SequenceGap& gap = *node.add_gaps();
    gap.set_epoch(gaps->text(0));
    gap.set_first(gaps->number(1));
    gap.set_last(gaps->number(2));
  }
}

absl::StatusOr<std::vector<v1::Node>> Reader::nodes(size_t gaps) {
  auto select = db_.prepare(
      "SELECT node, agent_version, kernel, epoch, last_seen_ns, coverage, sight, rules, "
      "labels FROM nodes ORDER BY node");
  if (!select.ok()) return select.status();
  std::vector<v1::Node> nodes;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return nodes;
    v1::Node& node = nodes.emplace_back();
    node.set_node(select->text(0));
    node.set_agent_version(select->text(1));
    node.set_kernel(select->text(2));
    set_wall_ns(*node.mutable_last_seen(), select->number(4));
    absl::Status status = parse(*node.mutable_coverage(), *select, 5, "coverage");
    if (status.ok() && !select->bytes(6).empty())
      status = parse(*node.mutable_sight(), *select, 6, "sight");
    if (status.ok() && !select->bytes(7).empty())
      status = parse(*node.mutable_rules(), *select, 7, "state of rules");
    if (status.ok()) status = add_labels(select->bytes(8), node);
    if (status.ok()) status = add_gaps(node, select->text(3), gaps);
    if (!status.ok()) return status;
  }
}

absl::StatusOr<std::vector<v1::AuditEntry>> Reader::audit(uint64_t sequence, size_t limit) {
  auto select = db_.prepare(
      "SELECT sequence, time_ns, actor, action, object, reason, outcome, previous_hash, hash, "
      "source, signature FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?");
  if (!select.ok()) return select.status();
  select->bind(sequence).bind(uint64_t{limit});
  std::vector<v1::AuditEntry> entries;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return entries;
    v1::AuditEntry& entry = entries.emplace_back();
    entry.set_sequence(select->number(0));
    set_wall_ns(*entry.mutable_time(), select->number(1));
    entry.set_actor(select->text(2));
    entry.set_action(select->text(3));
    entry.set_object(select->text(4));
    entry.set_reason(select->text(5));
    entry.set_outcome(select->text(6));
    entry.set_previous_hash(std::string(select->bytes(7)));
    entry.set_hash(std::string(select->bytes(8)));
    entry.set_source(select->text(9));
    entry.set_signature(std::string(select->bytes(10)));
  }
}

absl::StatusOr<std::optional<uint64_t>> Reader::output_cursor(const std::string& output) {
  auto select = db_.prepare("SELECT row FROM output_cursors WHERE output = ?");
  if (!select.ok()) return select.status();
  const auto row = select->bind(output).step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return select->number(0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreReader>> open_reader(const std::filesystem::path& file) {
  auto db = Database::open(file, Database::Mode::read_only);
  if (!db.ok()) return db.status();
  return std::make_unique<Reader>(*std::move(db));
}

}  // namespace picket::sqlite
