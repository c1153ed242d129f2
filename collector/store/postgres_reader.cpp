#include "collector/store/postgres_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collector/store/lookup.h"
#include "collector/store/node_row.h"
#include "collector/store/postgres_policy.h"
#include "common/alert_json.h"

namespace picket::postgres {
namespace {

template <class Message>
absl::Status parse(Message& message, std::string_view bytes, const char* what) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError(fmt::format("read a stored {}: it is damaged", what));
}

// A statement that grows; each value has its number in the text.
class Sql {
 public:
  explicit Sql(std::string text) : text_(std::move(text)) {}

  template <class Value>
  Sql& add(std::string_view format, const Value& value) {
    values_.add(value);
    text_ += fmt::format(fmt::runtime(format), fmt::arg("v", fmt::format("${}", values_.size())));
    return *this;
  }
  Sql& in_namespaces(const AlertQuery& query) {
    return query.namespaces.empty() ? *this : add(" AND namespace = ANY({v})", query.namespaces);
  }
  absl::StatusOr<Result> ask(Pool& pool) const { return pool.query(text_, values_); }

 private:
  std::string text_;
  Values values_;
};

// Unused conditions are left out, so that the index of the used ones is taken.
Sql select_alerts(const char* columns, const AlertQuery& query, const AlertCursor& cursor) {
  Sql sql(fmt::format("SELECT {} FROM alerts", columns));
  sql.add(" WHERE (time_ns, number) > ({v}", cursor.time_ns).add(", {v})", cursor.row);
  sql.add(" AND time_ns >= {v}", query.since_ns).add(" AND number <= {v}", query.up_to_row);
  if (!query.workspace.empty())
    sql.add(" AND (workspace_id = {v} OR workspace_name = {v})", query.workspace);
  if (!query.rule.empty()) sql.add(" AND rule = {v}", query.rule);
  if (!query.incident.empty()) sql.add(" AND incident ^@ {v}", query.incident);
  return sql.in_namespaces(query);
}

class Reader final : public StoreReader {
 public:
  explicit Reader(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

  absl::StatusOr<uint64_t> newest_row() override {
    return number("SELECT coalesce(max(number), 0) FROM alerts");
  }
  absl::StatusOr<uint64_t> alert_count() override { return number("SELECT count(*) FROM alerts"); }
  absl::StatusOr<uint64_t> last_audit_sequence() override {
    return number("SELECT coalesce(max(sequence), 0) FROM audit");
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
  absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles() override {
    return postgres::bundles(*pool_);
  }
  absl::StatusOr<RuleBundle> bundle(const std::string& bundle_id) override {
    return postgres::bundle(*pool_, bundle_id);
  }
  absl::StatusOr<v1::FleetPolicy> policy() override { return postgres::policy(*pool_); }
  absl::StatusOr<std::optional<uint64_t>> output_cursor(const std::string& output) override;

 private:
  absl::StatusOr<uint64_t> number(const char* sql) const {
    const auto result = pool_->query(sql);
    if (!result.ok()) return result.status();
    return result->number(0, 0);
  }
  absl::Status add_gaps(std::vector<v1::Node>& nodes, size_t most) const;

  const std::shared_ptr<Pool> pool_;
};

absl::Status Reader::resolve(AlertQuery& query) {
  if (query.workspace.empty()) return absl::OkStatus();
  const auto exact =
      Sql("SELECT workspace_id FROM alerts")
          .add(" WHERE (workspace_id = {v} OR workspace_name = {v})", query.workspace)
          .in_namespaces(query)
          .add(" LIMIT {v}", uint64_t{1})
          .ask(*pool_);
  if (!exact.ok()) return exact.status();
  if (exact->rows() > 0) return absl::OkStatus();
  const auto ids = Sql("SELECT DISTINCT workspace_id FROM alerts")
                       .add(" WHERE workspace_id ^@ {v}", query.workspace)
                       .in_namespaces(query)
                       .add(" ORDER BY workspace_id LIMIT {v}", uint64_t{2})
                       .ask(*pool_);
  if (!ids.ok()) return ids.status();
  if (ids->rows() > 1)
    return ambiguous("workspace", query.workspace, ids->text(0, 0), ids->text(1, 0));
  if (ids->rows() == 1) query.workspace = ids->text(0, 0);
  return absl::OkStatus();
}

absl::StatusOr<AlertCursor> Reader::first_page(const AlertQuery& query) {
  if (query.limit == 0) return AlertCursor{};
  // The newest one that is no longer wanted.
  const auto found = select_alerts("time_ns, number", query, {})
                         .add(" ORDER BY time_ns DESC, number DESC LIMIT 1 OFFSET {v}", query.limit)
                         .ask(*pool_);
  if (!found.ok()) return found.status();
  if (found->rows() == 0) return AlertCursor{};
  return AlertCursor{found->number(0, 0), found->number(0, 1)};
}

absl::StatusOr<std::vector<StoredAlert>> Reader::page(const AlertQuery& query, AlertCursor& cursor,
                                                      size_t size) {
  const auto found = select_alerts("time_ns, number, alert", query, cursor)
                         .add(" ORDER BY time_ns, number LIMIT {v}", uint64_t{size})
                         .ask(*pool_);
  if (!found.ok()) return found.status();
  std::vector<StoredAlert> alerts(static_cast<size_t>(found->rows()));
  for (int row = 0; row < found->rows(); ++row) {
    StoredAlert& stored = alerts[static_cast<size_t>(row)];
    stored.row = found->number(row, 1);
    absl::Status status = parse(stored.alert, found->bytes(row, 2), "alert");
    if (!status.ok()) return status;
    cursor = {found->number(row, 0), stored.row};
  }
  return alerts;
}

absl::StatusOr<std::vector<StoredAlert>> Reader::alerts_after(uint64_t row, size_t most,
                                                              size_t most_bytes) {
  const auto rows =
      pool_->query("SELECT number, alert FROM alerts WHERE number > $1 ORDER BY number LIMIT $2",
                   Values().add(row).add(uint64_t{most}));
  if (!rows.ok()) return rows.status();
  std::vector<StoredAlert> alerts;
  size_t bytes = 0;
  for (int i = 0; i < rows->rows() && bytes < most_bytes; ++i) {
    StoredAlert& stored = alerts.emplace_back();
    bytes += rows->bytes(i, 1).size();
    stored.row = rows->number(i, 0);
    absl::Status status = parse(stored.alert, rows->bytes(i, 1), "alert");
    if (!status.ok()) return status;
  }
  return alerts;
}

absl::StatusOr<v1::Alert> Reader::alert(const std::string& id) {
  if (id.empty()) return absl::InvalidArgumentError("which alert? its id is empty");
  const auto found = pool_->query("SELECT id, alert FROM alerts WHERE id ^@ $1 ORDER BY id LIMIT 2",
                                  Values().add(id));
  if (!found.ok()) return found.status();
  if (found->rows() == 0) return absl::NotFoundError(fmt::format("no alert \"{}\"", id));
  const std::string first = found->text(0, 0);
  // An exact id stands first; beside it only the same id of another node is a second answer.
  if (found->rows() > 1 && (first != key_text(id) || found->text(1, 0) == first))
    return ambiguous("alert", id, first, found->text(1, 0));
  v1::Alert alert;
  if (absl::Status status = parse(alert, found->bytes(0, 1), "alert"); !status.ok()) return status;
  return alert;
}

absl::StatusOr<std::vector<v1::NodeWorkspace>> Reader::workspaces(const std::string& workspace) {
  const auto rows =
      workspace.empty()
          ? pool_->query("SELECT node, status FROM workspaces ORDER BY node, id")
          : pool_->query(
                "SELECT node, status FROM workspaces WHERE id ^@ $1 OR name = $1 ORDER BY "
                "node, id",
                Values().add(workspace));
  if (!rows.ok()) return rows.status();
  std::vector<v1::NodeWorkspace> found(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    v1::NodeWorkspace& next = found[static_cast<size_t>(row)];
    next.set_node(rows->text(row, 0));
    absl::Status status = parse(*next.mutable_status(), rows->bytes(row, 1), "workspace");
    if (!status.ok()) return status;
  }
  if (!workspace.empty()) keep_named(workspace, found);
  return found;
}

absl::StatusOr<std::vector<v1::NodeAgentSession>> Reader::agent_sessions(const std::string& session,
                                                                         size_t limit) {
  const auto rows =
      session.empty()
          ? pool_->query("SELECT node, session FROM agent_sessions ORDER BY last_ns DESC LIMIT $1",
                         Values().add(uint64_t{limit}))
          : pool_->query(
                "SELECT node, session FROM agent_sessions WHERE id ^@ $1 ORDER BY last_ns DESC",
                Values().add(session));
  if (!rows.ok()) return rows.status();
  std::vector<v1::NodeAgentSession> found;
  for (int row = rows->rows() - 1; row >= 0; --row) {
    v1::NodeAgentSession& next = found.emplace_back();
    next.set_node(rows->text(row, 0));
    absl::Status status = parse(*next.mutable_session(), rows->bytes(row, 1), "agent session");
    if (!status.ok()) return status;
  }
  if (session.empty() || found.empty()) return found;
  if (absl::Status status = keep_session(session, found); !status.ok()) return status;
  return found;
}

absl::StatusOr<std::vector<NodeResult>> Reader::results(const std::vector<std::string>& commands) {
  const auto rows = pool_->query(
      "SELECT node, result FROM command_results WHERE command_id = ANY($1) ORDER BY number",
      Values().add(commands));
  if (!rows.ok()) return rows.status();
  std::vector<NodeResult> found(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    NodeResult& next = found[static_cast<size_t>(row)];
    next.node = rows->text(row, 0);
    absl::Status status = parse(next.result, rows->bytes(row, 1), "result");
    if (!status.ok()) return status;
  }
  return found;
}

absl::Status Reader::add_gaps(std::vector<v1::Node>& nodes, size_t most) const {
  const auto rows = pool_->query(
      "SELECT n.node, g.epoch, g.first, g.last FROM nodes n JOIN LATERAL (SELECT epoch, first, "
      "last, found_ns FROM gaps WHERE node = n.node ORDER BY found_ns DESC, first DESC LIMIT $1) g "
      "ON true ORDER BY n.node, g.found_ns DESC, g.first DESC",
      Values().add(uint64_t{most}));
  if (!rows.ok()) return rows.status();
  auto node = nodes.begin();
  for (int row = 0; row < rows->rows(); ++row) {
    while (node != nodes.end() && node->node() < rows->bytes(row, 0)) ++node;
    if (node == nodes.end()) break;
    if (node->node() != rows->bytes(row, 0)) continue;  // it came between the two questions
    v1::SequenceGap& gap = *node->add_gaps();
    gap.set_epoch(rows->text(row, 1));
    gap.set_first(rows->number(row, 2));
    gap.set_last(rows->number(row, 3));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Node>> Reader::nodes(size_t gaps) {
  const auto rows = pool_->query(
      "SELECT n.node, n.agent_version, n.kernel, n.last_seen_ns, n.coverage, n.sight, n.rules, "
      "coalesce(s.last_sequence, 0), (SELECT coalesce(sum(missing), 0)::bigint FROM streams WHERE "
      "node = n.node), (n.replica IN (SELECT replica FROM live_replicas))::int::bigint, n.labels "
      "FROM nodes "
      "n LEFT JOIN streams s ON s.node "
      "= n.node AND s.epoch = n.epoch "
      "ORDER BY n.node");
  if (!rows.ok()) return rows.status();
  std::vector<v1::Node> nodes(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    v1::Node& node = nodes[static_cast<size_t>(row)];
    node.set_node(rows->text(row, 0));
    node.set_agent_version(rows->text(row, 1));
    node.set_kernel(rows->text(row, 2));
    set_wall_ns(*node.mutable_last_seen(), rows->number(row, 3));
    absl::Status status = parse(*node.mutable_coverage(), rows->bytes(row, 4), "coverage");
    if (status.ok() && !rows->bytes(row, 5).empty())
      status = parse(*node.mutable_sight(), rows->bytes(row, 5), "sight");
    if (status.ok() && !rows->bytes(row, 6).empty())
      status = parse(*node.mutable_rules(), rows->bytes(row, 6), "state of rules");
    if (status.ok()) status = add_labels(rows->bytes(row, 10), node);
    if (!status.ok()) return status;
    node.set_last_sequence(rows->number(row, 7));
    node.set_missing(rows->number(row, 8));
    node.set_connected(rows->number(row, 9) != 0);
  }
  if (absl::Status status = add_gaps(nodes, gaps); !status.ok()) return status;
  return nodes;
}

absl::StatusOr<std::vector<v1::AuditEntry>> Reader::audit(uint64_t sequence, size_t limit) {
  const auto rows = pool_->query(
      "SELECT sequence, hash, entry FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2",
      Values().add(sequence).add(uint64_t{limit}));
  if (!rows.ok()) return rows.status();
  std::vector<v1::AuditEntry> entries(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    v1::AuditEntry& entry = entries[static_cast<size_t>(row)];
    // Of one that is damaged the verifier says so: nothing in it matches its hash.
    if (!parse(entry, rows->bytes(row, 2), "audit entry").ok()) entry.Clear();
    // What the table is searched by is as much of the entry as the rest.
    entry.set_sequence(rows->number(row, 0));
    entry.set_hash(rows->text(row, 1));
  }
  return entries;
}

absl::StatusOr<std::optional<uint64_t>> Reader::output_cursor(const std::string& output) {
  const auto rows =
      pool_->query("SELECT number FROM output_cursors WHERE output = $1", Values().add(output));
  if (!rows.ok()) return rows.status();
  if (rows->rows() == 0) return std::nullopt;
  return rows->number(0, 0);
}

}  // namespace

std::unique_ptr<StoreReader> make_reader(std::shared_ptr<Pool> pool) {
  return std::make_unique<Reader>(std::move(pool));
}

}  // namespace picket::postgres
