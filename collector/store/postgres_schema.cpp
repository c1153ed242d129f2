#include "collector/store/postgres_schema.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>

namespace picket::postgres {
namespace {

// A version is never edited once released; the next one alters what it finds. Texts compare by
// their bytes, whatever the database's locale.
constexpr std::array kVersions = {
    R"(
CREATE DOMAIN key AS TEXT COLLATE "C" NOT NULL;
CREATE TABLE nodes (
  node key PRIMARY KEY, agent_version TEXT NOT NULL DEFAULT '', kernel TEXT NOT NULL DEFAULT '',
  boot_id TEXT NOT NULL DEFAULT '', epoch TEXT NOT NULL, last_seen_ns BIGINT NOT NULL,
  coverage BYTEA NOT NULL DEFAULT '', sight BYTEA NOT NULL DEFAULT '',
  rules BYTEA NOT NULL DEFAULT '', labels BYTEA NOT NULL DEFAULT '', replica BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE streams (
  node key, epoch key, last_sequence BIGINT NOT NULL, missing BIGINT NOT NULL,
  PRIMARY KEY (node, epoch)
);
CREATE TABLE gaps (
  node key, epoch key, first BIGINT NOT NULL, last BIGINT NOT NULL, found_ns BIGINT NOT NULL,
  PRIMARY KEY (node, epoch, first)
);
CREATE SEQUENCE alert_numbers;
CREATE TABLE alerts (
  number BIGINT NOT NULL, id key, node key, time_ns BIGINT NOT NULL, rule key,
  priority BIGINT NOT NULL, workspace_id key, workspace_name key, namespace key, incident key,
  count BIGINT NOT NULL, last_ns BIGINT NOT NULL, stored_ns BIGINT NOT NULL, alert BYTEA NOT NULL,
  PRIMARY KEY (number, stored_ns)
) PARTITION BY RANGE (stored_ns);
CREATE INDEX alerts_by_id ON alerts (id, node);
CREATE INDEX alerts_by_time ON alerts (time_ns, number);
CREATE INDEX alerts_by_workspace ON alerts (workspace_id, time_ns, number);
CREATE INDEX alerts_by_name ON alerts (workspace_name, workspace_id);
CREATE INDEX alerts_by_rule ON alerts (rule, time_ns, number);
CREATE INDEX alerts_by_incident ON alerts (incident, time_ns, number);
CREATE INDEX alerts_by_namespace ON alerts (namespace, time_ns, number);
CREATE TABLE workspaces (
  node key, id key, name key, state BIGINT NOT NULL, changed_ns BIGINT NOT NULL,
  status BYTEA NOT NULL, PRIMARY KEY (node, id)
);
CREATE INDEX workspaces_by_id ON workspaces (id);
CREATE INDEX workspaces_by_name ON workspaces (name);
CREATE INDEX workspaces_by_state ON workspaces (node, state, changed_ns);
CREATE TABLE commands (
  id key PRIMARY KEY, node key, state TEXT NOT NULL, issued_ns BIGINT NOT NULL,
  not_after_ns BIGINT NOT NULL, replica BIGINT NOT NULL, command BYTEA NOT NULL
);
CREATE INDEX commands_by_state ON commands (state, issued_ns);
CREATE TABLE command_results (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, node key, command_id key, alert_id key,
  workspace_id key, ok BIGINT NOT NULL, time_ns BIGINT NOT NULL, result BYTEA NOT NULL
);
CREATE INDEX command_results_by_command ON command_results (command_id);
CREATE TABLE agent_sessions (
  node key, id key, part BIGINT NOT NULL, last_ns BIGINT NOT NULL, session BYTEA NOT NULL,
  PRIMARY KEY (node, id, part)
);
CREATE INDEX agent_sessions_by_id ON agent_sessions (id);
CREATE INDEX agent_sessions_by_time ON agent_sessions (node, last_ns);
CREATE TABLE rule_bundles (id key PRIMARY KEY, number BIGINT GENERATED ALWAYS AS IDENTITY,
  info BYTEA NOT NULL, bundle BYTEA NOT NULL);
CREATE TABLE policy (one BIGINT PRIMARY KEY CHECK (one = 1), revision BIGINT NOT NULL,
  policy BYTEA NOT NULL);
CREATE TABLE output_cursors (output key PRIMARY KEY, number BIGINT NOT NULL);
CREATE SEQUENCE replicas AS INTEGER CYCLE;
CREATE VIEW live_replicas AS SELECT objid::bigint AS replica FROM pg_locks WHERE
  locktype = 'advisory' AND classid::bigint = 1346587477 AND objsubid = 2 AND granted AND
  database = (SELECT oid FROM pg_database WHERE datname = current_database());
CREATE TABLE audit (sequence BIGINT PRIMARY KEY, hash BYTEA NOT NULL, entry BYTEA NOT NULL);
CREATE TABLE audit_key (one BIGINT PRIMARY KEY CHECK (one = 1), public_key TEXT NOT NULL);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  EXECUTE FUNCTION audit_is_append_only();
)"};

absl::StatusOr<uint64_t> number(Connection& connection, const char* sql) {
  const auto result = connection.run(sql);
  if (!result.ok()) return result.status();
  return result->number(0, 0);
}

// 0: there is nothing yet.
absl::StatusOr<uint64_t> version_of(Connection& connection) {
  const auto tables = number(connection,
                             "SELECT count(*) FROM pg_class WHERE relnamespace = "
                             "to_regnamespace('picket')");
  if (!tables.ok()) return tables.status();
  const auto ours =
      number(connection, "SELECT (to_regclass('picket.picket_schema') IS NOT NULL)::int::bigint");
  if (!ours.ok()) return ours.status();
  if (*tables != 0 && *ours == 0)
    return absl::FailedPreconditionError(
        "the database has a schema \"picket\" that belongs to another program");
  if (*ours == 0) return 0;
  return number(connection, "SELECT version FROM picket_schema");
}

absl::Status next_version(Connection& connection, bool& done) {
  auto transaction = Transaction::begin(connection);
  if (!transaction.ok()) return transaction.status();
  if (absl::Status turn = transaction->wait_for(Turn::schema); !turn.ok()) return turn;
  const auto version = version_of(connection);
  if (!version.ok()) return version.status();
  if (*version > kVersions.size())
    return absl::FailedPreconditionError(
        fmt::format("the database has schema version {}, this collector knows up to {}: it was "
                    "used by a newer Picket",
                    *version, kVersions.size()));
  done = *version == kVersions.size();
  if (done) return absl::OkStatus();
  std::string sql;
  if (*version == 0)
    sql =
        "CREATE SCHEMA IF NOT EXISTS picket; CREATE TABLE picket_schema (version BIGINT NOT "
        "NULL); INSERT INTO picket_schema VALUES (0);";
  sql += kVersions[*version];
  sql += fmt::format("UPDATE picket_schema SET version = {}", *version + 1);
  if (absl::Status status = connection.script(sql); !status.ok()) return status;
  return transaction->commit();
}

std::string name_of(uint64_t day) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{static_cast<int64_t>(day)}}};
  return fmt::format("alerts_{:04}{:02}{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

}  // namespace

absl::Status migrate(Connection& connection) {
  for (bool done = false; !done;)
    if (absl::Status status = next_version(connection, done); !status.ok()) return status;
  return absl::OkStatus();
}

// Made beside the table and attached: CREATE TABLE ... PARTITION OF would wait for every reader.
absl::Status make_days(Connection& connection, uint64_t day) {
  auto transaction = Transaction::begin(connection);
  if (!transaction.ok()) return transaction.status();
  if (absl::Status turn = transaction->wait_for(Turn::schema); !turn.ok()) return turn;
  for (const uint64_t next : {day, day + 1}) {
    const std::string name = name_of(next);
    const auto exists = connection.run(
        "SELECT count(*) FROM pg_class WHERE relname = $1 AND "
        "relnamespace = to_regnamespace('picket')",
        Values().add(name));
    if (!exists.ok()) return exists.status();
    if (exists->number(0, 0) != 0) continue;
    constexpr uint64_t kDay = 86'400'000'000'000U;
    absl::Status made = connection.script(
        fmt::format("CREATE TABLE {0} (LIKE alerts INCLUDING ALL); ALTER TABLE alerts ATTACH "
                    "PARTITION {0} FOR VALUES FROM ({1}) TO ({2})",
                    name, next * kDay, (next + 1) * kDay));
    if (!made.ok()) return made;
  }
  return transaction->commit();
}

absl::StatusOr<size_t> drop_days_before(Connection& connection, uint64_t day) {
  const auto old = connection.run(
      "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE "
      "i.inhparent = 'alerts'::regclass AND c.relname < $1 ORDER BY c.relname",
      Values().add(name_of(day)));
  if (!old.ok()) return old.status();
  for (int row = 0; row < old->rows(); ++row) {
    const std::string name = old->text(row, 0);
    auto transaction = Transaction::begin(connection);
    if (!transaction.ok()) return transaction.status();
    absl::Status status = transaction->wait_for(Turn::schema);
    // It waits for readers, and new ones wait for it: rather the next time than long.
    if (status.ok())
      status = connection.script(
          fmt::format("SET LOCAL lock_timeout = '2s'; DROP TABLE IF EXISTS {}", name));
    if (status.ok()) status = transaction->commit();
    if (!status.ok()) return status;
    spdlog::info("the time to keep alerts is over: {} was dropped", name);
  }
  return static_cast<size_t>(old->rows());
}

}  // namespace picket::postgres
