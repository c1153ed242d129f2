#include "collector/store/postgres_store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "collector/audit/chain.h"
#include "collector/store/node_row.h"
#include "collector/store/postgres_policy.h"
#include "collector/store/postgres_reader.h"
#include "collector/store/postgres_schema.h"
#include "collector/store/postgres_tables.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using postgres::Connection;
using postgres::Transaction;
using postgres::Turn;
using postgres::Values;
using SteadyClock = std::chrono::steady_clock;

// While the server is away everything fails at once, and not after one attempt each.
constexpr std::chrono::milliseconds kBetweenAttempts{500};
// An acknowledged envelope is gone from the agent. A collector that hangs must not keep the others
// from their turn. The writer's questions are for single rows: without statistics of a partition
// that was just made, the planner would rather read all of it.
constexpr const char* kSettings =
    "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '15s'; SET "
    "enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

bool is_answer(const NodeResult& result) { return !result.result.command_id().empty(); }

std::string words(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::open(const PostgresOptions& options,
                                                                   const Clock& clock,
                                                                   const AuditSigner* signer) {
  std::unique_ptr<PostgresStore> store(new PostgresStore(options, clock, signer));
  absl::Status status = store->connect();
  if (status.ok()) status = postgres::migrate(*store->connection_);
  if (status.ok()) status = store->keep_audit_key();
  if (status.ok()) status = store->take_number();
  if (status.ok()) status = store->turn_day(clock.wall_ns());
  if (!status.ok()) return status;
  return store;
}

absl::StatusOr<bool> PostgresStore::has_audit_key(const PostgresOptions& options) {
  auto connection = Connection::open(options.where, "");
  if (!connection.ok()) return connection.status();
  const auto known =
      connection->run("SELECT (to_regclass('picket.audit_key') IS NOT NULL)::int::bigint");
  if (!known.ok()) return known.status();
  if (known->number(0, 0) == 0) return false;
  const auto keys = connection->run("SELECT count(*) FROM audit_key");
  if (!keys.ok()) return keys.status();
  return keys->number(0, 0) != 0;
}

absl::Status PostgresStore::connect() {
  if (connection_ && connection_->alive()) return absl::OkStatus();
  connection_.reset();
  if (SteadyClock::now() < next_attempt_)
    return absl::UnavailableError("PostgreSQL was not to be reached a moment ago");
  auto connection = Connection::open(options_.where, kSettings);
  if (!connection.ok()) {
    next_attempt_ = SteadyClock::now() + kBetweenAttempts;
    return connection.status();
  }
  connection_ = *std::move(connection);
  return absl::OkStatus();
}

// That a connection was lost while nothing happened shows at its next use: then a new one is as
// good.
absl::StatusOr<Transaction> PostgresStore::begin(std::optional<Turn> turn) {
  for (bool again : {true, false}) {
    if (absl::Status status = connect(); !status.ok()) return status;
    auto transaction = Transaction::begin(*connection_);
    if (!transaction.ok()) {
      if (again && !connection_->alive()) continue;
      return transaction.status();
    }
    if (absl::Status status = turn ? transaction->wait_for(*turn) : absl::OkStatus(); !status.ok())
      return status;
    return transaction;
  }
  return absl::UnavailableError("begin a transaction");
}

// Two keys would make a log that neither verifies.
absl::Status PostgresStore::keep_audit_key() {
  if (signer_ == nullptr) return absl::OkStatus();
  auto transaction = begin(Turn::audit);
  if (!transaction.ok()) return transaction.status();
  const auto set =
      connection_->run("INSERT INTO audit_key VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
                       Values().add(signer_->public_key()));
  if (!set.ok()) return set.status();
  const auto kept = connection_->run("SELECT public_key FROM audit_key");
  if (!kept.ok()) return kept.status();
  if (kept->text(0, 0) != signer_->public_key())
    return absl::FailedPreconditionError(
        "the audit log is signed with another key: all collectors on one database have the same "
        "audit_key");
  return transaction->commit();
}

absl::Status PostgresStore::take_number() {
  const auto next = connection_->run("SELECT nextval('replicas')");
  if (!next.ok()) return next.status();
  number_ = next->number(0, 0);
  return absl::OkStatus();
}

absl::Status PostgresStore::turn_day(uint64_t now_ns) {
  const uint64_t day = postgres::day_of(now_ns);
  if (day_ == day) return absl::OkStatus();
  if (absl::Status status = connect(); !status.ok()) return status;
  if (absl::Status status = postgres::make_days(*connection_, day); !status.ok()) return status;
  day_ = day;
  drop_old_days(now_ns);
  return absl::OkStatus();
}

// What cannot be dropped now goes at the next turn of the day or start.
void PostgresStore::drop_old_days(uint64_t now_ns) {
  const uint64_t day = postgres::day_of(now_ns);
  if (options_.retention_days == 0 || options_.retention_days > day) return;
  const auto dropped = postgres::drop_days_before(*connection_, day - options_.retention_days);
  if (!dropped.ok())
    spdlog::warn("alerts that are too old stay for now: {}", words(dropped.status()));
}

absl::StatusOr<CommitOutcome> PostgresStore::commit(std::span<const NodeBatch> batches) {
  const uint64_t now_ns = clock_.wall_ns();
  if (absl::Status status = turn_day(now_ns); !status.ok()) return status;
  auto transaction = begin(Turn::ingest);
  if (!transaction.ok()) return transaction.status();
  CommitOutcome outcome;
  postgres::Tables tables(*connection_);
  absl::Status status = tables.load(batches);
  for (size_t i = 0; status.ok() && i < batches.size(); ++i)
    status = add_to_commit(tables, batches[i], now_ns, outcome);
  if (status.ok()) status = tables.finish(now_ns, outcome);
  if (!outcome.new_alerts.empty()) transaction->tell("alerts");
  if (std::ranges::any_of(outcome.results, is_answer)) transaction->tell("results");
  if (status.ok()) status = transaction->commit();
  if (!status.ok()) return status;
  return outcome;
}

absl::StatusOr<Greeting> PostgresStore::greet(const NodeHello& hello) {
  auto transaction = begin(Turn::ingest);
  if (!transaction.ok()) return transaction.status();
  const auto other = connection_->run(
      "SELECT 1 FROM nodes WHERE node = $1 AND replica <> $2 AND replica IN (SELECT replica FROM "
      "live_replicas)",
      Values().add(hello.node).add(number_));
  if (!other.ok()) return other.status();
  if (other->rows() != 0) transaction->tell("nodes");
  const auto set = connection_->run(
      "INSERT INTO nodes (node, agent_version, kernel, boot_id, epoch, last_seen_ns, labels, "
      "replica) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (node) DO UPDATE SET "
      "agent_version = excluded.agent_version, kernel = excluded.kernel, boot_id = "
      "excluded.boot_id, epoch = excluded.epoch, last_seen_ns = excluded.last_seen_ns, labels = "
      "excluded.labels, replica = excluded.replica RETURNING rules",
      Values()
          .add(hello.node)
          .add(hello.hello.agent_version())
          .add(hello.hello.kernel())
          .add(hello.hello.boot_id())
          .add(hello.hello.epoch())
          .add(clock_.wall_ns())
          .add_bytes(kept_labels(hello.hello))
          .add(number_));
  if (!set.ok()) return set.status();
  const auto last =
      connection_->run("SELECT last_sequence FROM streams WHERE node = $1 AND epoch = $2",
                       Values().add(hello.node).add(hello.hello.epoch()));
  if (!last.ok()) return last.status();
  if (absl::Status status = transaction->commit(); !status.ok()) return status;
  return greeting(last->rows() == 0 ? 0 : last->number(0, 0), set->bytes(0, 0));
}

// Another collector may have its newest stream by now, and goes on seeing it.
absl::Status PostgresStore::node_left(const std::string& node) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  const auto set = connection_->run(
      "UPDATE nodes SET last_seen_ns = $1, replica = 0 WHERE node = $2 AND replica IN (0, $3)",
      Values().add(clock_.wall_ns()).add(node).add(number_));
  return set.ok() ? transaction->commit() : set.status();
}

absl::StatusOr<v1::AuditEntry> PostgresStore::append_audit(v1::AuditEntry entry) {
  auto transaction = begin(Turn::audit);
  if (!transaction.ok()) return transaction.status();
  const auto last =
      connection_->run("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
  if (!last.ok()) return last.status();
  set_wall_ns(*entry.mutable_time(), clock_.wall_ns());
  const bool is_first = last->rows() == 0;
  seal_audit_entry(entry, is_first ? 0 : last->number(0, 0),
                   is_first ? audit_genesis() : last->text(0, 1));
  if (signer_ != nullptr) entry.set_signature(signer_->sign(entry.hash()));
  const auto added = connection_->run(
      "INSERT INTO audit VALUES ($1, $2, $3)",
      Values().add(entry.sequence()).add_bytes(entry.hash()).add_bytes(entry.SerializeAsString()));
  absl::Status status = added.ok() ? transaction->commit() : added.status();
  if (!status.ok()) return status;
  return entry;
}

absl::Status PostgresStore::add_command(const std::string& node, const v1::Command& command) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  const auto added =
      connection_->run("INSERT INTO commands VALUES ($1, $2, 'issued', $3, $4, $5, $6)",
                       Values()
                           .add(command.id())
                           .add(node)
                           .add(wall_ns(command.issued()))
                           .add(wall_ns(command.not_after()))
                           .add(number_)
                           .add_bytes(command.SerializeAsString()));
  return added.ok() ? transaction->commit() : added.status();
}

absl::Status PostgresStore::close_command(const std::string& id, CommandState state) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  // A result that came with a commit has closed it already, and knows better.
  const auto closed = connection_->run(
      "UPDATE commands SET state = $1 WHERE id = $2 AND state IN ('issued', 'offered', 'taken')",
      Values().add(to_string(state)).add(id));
  return closed.ok() ? transaction->commit() : closed.status();
}

absl::Status PostgresStore::add_bundle(const RuleBundle& bundle) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = postgres::add_bundle(*connection_, bundle);
  return status.ok() ? transaction->commit() : status;
}

absl::Status PostgresStore::remove_bundle(const std::string& bundle_id) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = postgres::remove_bundle(*connection_, bundle_id);
  return status.ok() ? transaction->commit() : status;
}

absl::Status PostgresStore::set_policy(const v1::FleetPolicy& policy) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = postgres::set_policy(*connection_, policy);
  transaction->tell("policy");
  return status.ok() ? transaction->commit() : status;
}

absl::StatusOr<std::unique_ptr<StoreReader>> PostgresStore::reader() const {
  return postgres::make_reader(pool_);
}

}  // namespace picket
