#include "collector/store/sqlite_store.h"
#include "collector/store/node_row.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "collector/audit/chain.h"
#include "collector/store/sqlite_policy.h"
#include "collector/store/sqlite_reader.h"
#include "collector/store/sqlite_schema.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using sqlite::Database;
using sqlite::Transaction;

// FULL: an acknowledged envelope is gone from the agent, so it must survive a power cut here.
constexpr const char* kWriterSettings =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864";

// Alerts and the audit log are for the collector only. SQLite gives new side files the mode of the
// database; an older collector may have left all three open to everybody.
absl::Status make_private(const std::filesystem::path& file) {
  constexpr mode_t kPrivate = 0600;
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPrivate);
  if (fd < 0) {
    return absl::InternalError(
        fmt::format("open database {}: {}", file.string(), std::strerror(errno)));
  }
  ::close(fd);
  for (const char* side : {"", "-wal", "-shm"}) {
    const std::string path = file.string() + side;
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0 || (found.st_mode & 0077U) == 0) continue;
    if (::chmod(path.c_str(), kPrivate) != 0) {
      return absl::InternalError(
          fmt::format("take {} away from other users: {}", path, std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

// A file has one collector.
class OnlyTurn final : public OutputTurn {
 public:
  OnlyTurn(Database& db, std::string output) : db_(db), output_(std::move(output)) {}

  absl::StatusOr<bool> hold() override { return true; }
  absl::Status set_cursor(uint64_t row) override {
    auto set = db_.prepare("INSERT OR REPLACE INTO output_cursors VALUES (?, ?)");
    if (!set.ok()) return set.status();
    return set->bind(output_).bind(row).run();
  }

 private:
  Database& db_;
  const std::string output_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& file,
                                                               const Clock& clock,
                                                               const AuditSigner* signer) {
  if (absl::Status status = make_private(file); !status.ok()) return status;
  auto db = Database::open(file, Database::Mode::read_write);
  if (!db.ok()) return db.status();
  absl::Status status = sqlite::migrate(*db);
  if (status.ok()) status = db->execute(kWriterSettings);
  if (!status.ok()) {
    return absl::Status(status.code(), fmt::format("open database {}: {}", file.string(),
                                                   std::string_view(status.message().data(),
                                                                    status.message().size())));
  }
  std::unique_ptr<SqliteStore> store(new SqliteStore(file, clock, signer, *std::move(db)));
  auto tables = sqlite::Tables::create(store->db_);
  if (!tables.ok()) return tables.status();
  store->tables_ = *std::move(tables);
  return store;
}

absl::StatusOr<bool> SqliteStore::has_signed_audit(const std::filesystem::path& file) {
  const auto db = Database::open(file, Database::Mode::read_only);
  if (!db.ok()) return db.status();
  const auto known =
      db->number("SELECT count(*) FROM pragma_table_info('audit') WHERE name = 'signature'");
  if (!known.ok()) return known.status();
  if (*known == 0) return false;
  const auto found = db->number("SELECT EXISTS (SELECT 1 FROM audit WHERE signature <> x'')");
  if (!found.ok()) return found.status();
  return *found != 0;
}

absl::StatusOr<CommitOutcome> SqliteStore::commit(std::span<const NodeBatch> batches) {
  auto transaction = Transaction::begin(db_);
  if (!transaction.ok()) return transaction.status();
  CommitOutcome outcome;
  for (const NodeBatch& batch : batches) {
    absl::Status status = add_to_commit(*tables_, batch, clock_.wall_ns(), outcome);
    if (!status.ok()) return status;
  }
  if (absl::Status status = transaction->commit(); !status.ok()) return status;
  return outcome;
}

absl::StatusOr<Greeting> SqliteStore::greet(const NodeHello& hello) {
  auto set = db_.prepare(
      "INSERT INTO nodes (node, agent_version, kernel, boot_id, epoch, last_seen_ns, labels) "
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
      "agent_version = excluded.agent_version, kernel = excluded.kernel, "
      "boot_id = excluded.boot_id, epoch = excluded.epoch, last_seen_ns = excluded.last_seen_ns, "
      "labels = excluded.labels");
  if (!set.ok()) return set.status();
  absl::Status status = set->bind(hello.node)
                            .bind(hello.hello.agent_version())
                            .bind(hello.hello.kernel())
                            .bind(hello.hello.boot_id())
                            .bind(hello.hello.epoch())
                            .bind(clock_.wall_ns())
                            .bind_bytes(kept_labels(hello.hello))
                            .run();
  if (!status.ok()) return status;
  auto known = db_.prepare(
      "SELECT coalesce(last_sequence, 0), rules FROM nodes LEFT JOIN streams USING (node, epoch) "
      "WHERE node = ?");
  if (!known.ok()) return known.status();
  const auto row = known->bind(hello.node).step();
  if (!row.ok()) return row.status();
  return greeting(known->number(0), known->bytes(1));
}

absl::Status SqliteStore::node_left(const std::string& node) {
  auto seen = db_.prepare("UPDATE nodes SET last_seen_ns = ? WHERE node = ?");
  if (!seen.ok()) return seen.status();
  return seen->bind(clock_.wall_ns()).bind(node).run();
}

absl::StatusOr<v1::AuditEntry> SqliteStore::append_audit(v1::AuditEntry entry) {
  auto transaction = Transaction::begin(db_);
  if (!transaction.ok()) return transaction.status();
  auto last = db_.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
  if (!last.ok()) return last.status();
  const auto row = last->step();
  if (!row.ok()) return row.status();
  set_wall_ns(*entry.mutable_time(), clock_.wall_ns());
  if (*row) {
    seal_audit_entry(entry, last->number(0), std::string(last->bytes(1)));
  } else {
    seal_audit_entry(entry, 0, audit_genesis());
  }
  last->restart();
  if (signer_ != nullptr) entry.set_signature(signer_->sign(entry.hash()));
  auto add = db_.prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!add.ok()) return add.status();
  absl::Status status = add->bind(entry.sequence())
                            .bind(wall_ns(entry.time()))
                            .bind(entry.actor())
                            .bind(entry.action())
                            .bind(entry.object())
                            .bind(entry.reason())
                            .bind(entry.outcome())
                            .bind_bytes(entry.previous_hash())
                            .bind_bytes(entry.hash())
                            .bind(entry.source())
                            .bind_bytes(entry.signature())
                            .run();
  if (status.ok()) status = transaction->commit();
  if (!status.ok()) return status;
  return entry;
}

absl::Status SqliteStore::add_command(const std::string& node, const v1::Command& command) {
  auto add = db_.prepare("INSERT INTO commands VALUES (?, ?, ?, ?, ?)");
  if (!add.ok()) return add.status();
  return add->bind(command.id())
      .bind(node)
      .bind(to_string(CommandState::issued))
      .bind(wall_ns(command.issued()))
      .bind_bytes(command.SerializeAsString())
      .run();
}

absl::Status SqliteStore::close_command(const std::string& id, CommandState state) {
  // A result that came with a commit has closed it already, and knows better.
  auto close = db_.prepare("UPDATE commands SET state = ? WHERE id = ? AND state = 'issued'");
  if (!close.ok()) return close.status();
  return close->bind(to_string(state)).bind(id).run();
}

absl::StatusOr<std::vector<OpenCommand>> SqliteStore::open_commands() {
  auto select =
      db_.prepare("SELECT node, command FROM commands WHERE state = 'issued' ORDER BY issued_ns");
  if (!select.ok()) return select.status();
  std::vector<OpenCommand> commands;
  while (true) {
    const auto row = select->step();
    if (!row.ok()) return row.status();
    if (!*row) return commands;
    OpenCommand open;
    open.node = select->text(0);
    if (!open.command.ParseFromString(std::string(select->bytes(1)))) {
      return absl::DataLossError("read an open command: its stored form is damaged");
    }
    commands.push_back(std::move(open));
  }
}

absl::Status SqliteStore::add_bundle(const RuleBundle& bundle) {
  return sqlite::add_bundle(db_, bundle);
}

absl::Status SqliteStore::remove_bundle(const std::string& bundle_id) {
  return sqlite::remove_bundle(db_, bundle_id);
}

absl::Status SqliteStore::set_policy(const v1::FleetPolicy& policy) {
  return sqlite::set_policy(db_, policy);
}

std::unique_ptr<OutputTurn> SqliteStore::output_turn(const std::string& output) {
  return std::make_unique<OnlyTurn>(db_, output);
}

absl::StatusOr<std::unique_ptr<StoreReader>> SqliteStore::reader() const {
  return sqlite::open_reader(file_);
}

}  // namespace picket
