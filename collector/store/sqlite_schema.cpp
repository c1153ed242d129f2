#include "collector/store/sqlite_schema.h"

#include <fmt/format.h>

#include <array>

namespace picket::sqlite {
namespace {

constexpr uint64_t kApplicationId = 0x50434b54;  // "PCKT", in the file's header

// A version is never edited once released; the next one alters what it finds.
constexpr std::array kVersions = {
    R"(
CREATE TABLE nodes (
  node TEXT PRIMARY KEY, agent_version TEXT NOT NULL, kernel TEXT NOT NULL, boot_id TEXT NOT NULL,
  epoch TEXT NOT NULL, last_seen_ns INTEGER NOT NULL, coverage BLOB
) WITHOUT ROWID;
CREATE TABLE streams (
  node TEXT NOT NULL, epoch TEXT NOT NULL, last_sequence INTEGER NOT NULL, missing INTEGER NOT NULL,
  PRIMARY KEY (node, epoch)
) WITHOUT ROWID;
CREATE TABLE gaps (
  node TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  found_ns INTEGER NOT NULL, PRIMARY KEY (node, epoch, first)
) WITHOUT ROWID;
CREATE TABLE alerts (
  row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, node TEXT NOT NULL,
  time_ns INTEGER NOT NULL, rule TEXT NOT NULL, priority INTEGER NOT NULL,
  workspace_id TEXT NOT NULL, workspace_name TEXT NOT NULL, count INTEGER NOT NULL,
  last_ns INTEGER NOT NULL, stored_ns INTEGER NOT NULL, alert BLOB NOT NULL, UNIQUE (id, node)
);
CREATE INDEX alerts_by_time ON alerts (time_ns, row);
CREATE INDEX alerts_by_workspace ON alerts (workspace_id, time_ns, row);
CREATE INDEX alerts_by_name ON alerts (workspace_name, workspace_id);
CREATE INDEX alerts_by_rule ON alerts (rule, time_ns, row);
CREATE TABLE workspaces (
  node TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL, status BLOB NOT NULL, PRIMARY KEY (node, id)
) WITHOUT ROWID;
CREATE INDEX workspaces_by_id ON workspaces (id);
CREATE INDEX workspaces_by_name ON workspaces (name);
CREATE INDEX workspaces_by_state ON workspaces (node, state, changed_ns);
CREATE TABLE commands (
  id TEXT PRIMARY KEY, node TEXT NOT NULL, state TEXT NOT NULL, issued_ns INTEGER NOT NULL,
  command BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX commands_by_state ON commands (state, issued_ns);
CREATE TABLE command_results (
  row INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, command_id TEXT NOT NULL,
  alert_id TEXT NOT NULL, workspace_id TEXT NOT NULL, ok INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  result BLOB NOT NULL
);
CREATE INDEX command_results_by_command ON command_results (command_id);
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  object TEXT NOT NULL, reason TEXT NOT NULL, outcome TEXT NOT NULL, previous_hash BLOB NOT NULL,
  hash BLOB NOT NULL
);
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
)",
    "ALTER TABLE nodes ADD COLUMN sight BLOB",
    R"(
ALTER TABLE nodes ADD COLUMN rules BLOB;
CREATE TABLE rules (only INTEGER PRIMARY KEY CHECK (only = 1), info BLOB NOT NULL,
  bundle BLOB NOT NULL);
)",
    R"(
ALTER TABLE alerts ADD COLUMN incident TEXT NOT NULL DEFAULT '';
CREATE INDEX alerts_by_incident ON alerts (incident, time_ns, row);
)",
    R"(
CREATE TABLE agent_sessions (
  node TEXT NOT NULL, id TEXT NOT NULL, part INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  session BLOB NOT NULL, PRIMARY KEY (node, id, part)
) WITHOUT ROWID;
CREATE INDEX agent_sessions_by_id ON agent_sessions (id);
CREATE INDEX agent_sessions_by_time ON agent_sessions (node, last_ns);
)",
    // Alerts from before this are of no namespace: only operators without a scope see them.
    R"(
ALTER TABLE audit ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN signature BLOB NOT NULL DEFAULT x'';
ALTER TABLE alerts ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
CREATE INDEX alerts_by_namespace ON alerts (namespace, time_ns, row);
)",
    R"(
CREATE TABLE output_cursors (output TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
)",
    // Of one bundle came versions of it.
    R"(
CREATE TABLE rule_bundles (row INTEGER PRIMARY KEY AUTOINCREMENT, info BLOB NOT NULL,
  bundle BLOB NOT NULL);
INSERT INTO rule_bundles (info, bundle) SELECT info, bundle FROM rules;
DROP TABLE rules;
CREATE TABLE policy (only INTEGER PRIMARY KEY CHECK (only = 1), policy BLOB NOT NULL);
ALTER TABLE nodes ADD COLUMN labels BLOB NOT NULL DEFAULT x'';
)"};

}  // namespace

absl::Status migrate(const Database& db) {
  const auto tables = db.number("SELECT count(*) FROM sqlite_master");
  if (!tables.ok()) return tables.status();
  const auto application = db.number("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*tables != 0 && *application != kApplicationId) {
    return absl::FailedPreconditionError("the database file belongs to another program");
  }
  const auto version = db.number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kVersions.size()) {
    return absl::FailedPreconditionError(
        fmt::format("the database has schema version {}, this collector knows up to {}: it was "
                    "used by a newer Picket",
                    *version, kVersions.size()));
  }
  for (uint64_t next = *version; next < kVersions.size(); ++next) {
    auto transaction = Transaction::begin(db);
    if (!transaction.ok()) return transaction.status();
    absl::Status status = db.execute(kVersions[next]);
    if (status.ok()) {
      status = db.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                      kApplicationId, next + 1));
    }
    if (status.ok()) status = transaction->commit();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace picket::sqlite
