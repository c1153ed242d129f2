// Opening a spool: nothing in the file is believed before it was checked.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/spool/spool.h"
#include "agent/spool/spool_sql.h"

namespace picket {
namespace {

using spool_sql::bind;
using spool_sql::column;
using spool_sql::Reset;

constexpr uint64_t kVersion = 1;
constexpr uint64_t kLargestSequence = uint64_t{1} << 62;

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS item (
  sequence INTEGER PRIMARY KEY,
  priority INTEGER NOT NULL,
  bytes BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS item_by_priority ON item (priority DESC, sequence);
CREATE TABLE IF NOT EXISTS spool (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  fresh_first INTEGER NOT NULL DEFAULT 0,
  fresh_last INTEGER NOT NULL DEFAULT 0,
  fresh_count INTEGER NOT NULL DEFAULT 0,
  reported_first INTEGER NOT NULL DEFAULT 0,
  reported_last INTEGER NOT NULL DEFAULT 0,
  reported_count INTEGER NOT NULL DEFAULT 0,
  reported_at INTEGER NOT NULL DEFAULT 0) STRICT;
)sql";

std::string first_word_of(const char* file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

std::string text(sqlite3_stmt* statement, int index) {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
  return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement, index)))
              : std::string();
}

std::filesystem::path name_aside(const std::filesystem::path& file) {
  return file.string() + ".damaged-" + first_word_of("/proc/sys/kernel/random/uuid");
}

absl::Status move_aside(const std::filesystem::path& file, const std::filesystem::path& target) {
  std::error_code error;
  std::filesystem::rename(file, target, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::InternalError(
        fmt::format("move the damaged spool {} aside: {}", file.string(), error.message()));
  }
  // The log belongs to the damaged file; beside a new one it would be replayed into it.
  std::filesystem::rename(file.string() + "-wal", target.string() + "-wal", error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::InternalError(
        fmt::format("move {}-wal aside: {}", file.string(), error.message()));
  }
  return absl::OkStatus();
}

// Alerts carry command lines: for the agent only. SQLite gives its log the same mode.
absl::Status create_private(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::InternalError(
        fmt::format("open spool {}: {}", file.string(), std::strerror(errno)));
  }
  ::close(fd);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::open(const std::filesystem::path& file,
                                                   Options options) {
  if (options.boot_id.empty()) options.boot_id = first_word_of("/proc/sys/kernel/random/boot_id");
  std::filesystem::path damaged;
  for (int attempt = 0;; ++attempt) {
    if (absl::Status status = create_private(file); !status.ok()) return status;
    sqlite3* db = nullptr;
    const int code =
        sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Spool> spool(new Spool(db, file, options));
    if (code != SQLITE_OK) {
      return absl::InternalError(
          fmt::format("open spool {}: {}", file.string(), sqlite3_errstr(code)));
    }
    const absl::Status status = spool->load();
    if (status.ok()) {
      spool->damaged_file_ = damaged;
      return spool;
    }
    if (!absl::IsDataLoss(status) || attempt > 0) {
      return absl::Status(status.code(),
                          fmt::format("open {}: {}", file.string(), std::string(status.message())));
    }
    spool.reset();
    damaged = name_aside(file);
    if (absl::Status moved = move_aside(file, damaged); !moved.ok()) return moved;
  }
}

absl::Status Spool::replace(std::unique_ptr<Spool>& spool) {
  const std::filesystem::path file = spool->file_;
  const std::filesystem::path aside = name_aside(file);
  if (absl::Status moved = move_aside(file, aside); !moved.ok()) return moved;
  auto fresh = open(file, spool->options_);
  if (!fresh.ok()) {
    (void)move_aside(aside, file);
    return fresh.status();
  }
  spool = std::move(*fresh);
  spool->damaged_file_ = aside;
  return absl::OkStatus();
}

absl::Status Spool::renew_epoch() {
  std::vector<uint64_t> sequences;
  const auto list = compile("SELECT sequence FROM item NOT INDEXED ORDER BY sequence");
  if (!list.ok()) return list.status();
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(list->get())) == SQLITE_ROW)
    sequences.push_back(column(list->get(), 0));
  if (code != SQLITE_DONE) return error("list what is kept");
  sqlite3_reset(list->get());

  const State before = state_;
  const std::string epoch = first_word_of("/proc/sys/kernel/random/uuid");
  if (absl::Status status = renumber(sequences, epoch); !status.ok()) {
    state_ = before;
    return status;
  }
  epoch_ = epoch;
  last_ = sequences.size();
  return refresh_first();
}

// From 1 on without holes: in the new epoch nothing is missing. Ascending, so that none meets
// another.
absl::Status Spool::renumber(const std::vector<uint64_t>& sequences, const std::string& epoch) {
  const auto move = compile("UPDATE item SET sequence = ? WHERE sequence = ?");
  const auto name = compile("UPDATE spool SET epoch = ?, boot_id = ?");
  if (!move.ok()) return move.status();
  if (!name.ok()) return name.status();
  spool_sql::Transaction transaction(db_);
  if (!transaction.begin()) return error("begin");
  for (uint64_t i = 0; i < sequences.size(); ++i) {
    const Reset reset(move->get());
    bind(move->get(), 1, i + 1);
    bind(move->get(), 2, sequences[i]);
    if (sqlite3_step(move->get()) != SQLITE_DONE) return error("renumber");
  }
  sqlite3_bind_text(name->get(), 1, epoch.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(name->get(), 2, options_.boot_id.c_str(), -1, SQLITE_STATIC);
  if (sqlite3_step(name->get()) != SQLITE_DONE) return error("begin an epoch");
  merge_loss(state_.fresh, state_.reported);  // the acknowledgement it waited for will not come
  state_.reported = {};
  if (absl::Status status = write_head(sequences.size()); !status.ok()) return status;
  return transaction.commit() ? absl::OkStatus() : error("commit");
}

absl::Status Spool::load() {
  sqlite3_busy_timeout(db_, 2000);  // an earlier agent may still be closing it
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, 4 * static_cast<int>(kMaxItemBytes));
  // Exclusive: a second agent on the same file would give out the same sequences.
  for (const char* sql :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA cell_size_check=ON", "PRAGMA journal_mode=WAL",
        options_.power_safe ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", kSchema}) {
    if (absl::Status status = execute(sql); !status.ok()) return status;
  }
  if (absl::Status status = check_integrity(); !status.ok()) return status;
  if (absl::Status status = load_head(); !status.ok()) return status;
  return load_contents();
}

absl::Status Spool::check_integrity() const {
  const auto check = compile("PRAGMA quick_check(1)");
  if (!check.ok()) return check.status();
  if (sqlite3_step(check->get()) != SQLITE_ROW) return error("check the file");
  if (const std::string verdict = text(check->get(), 0); verdict != "ok")
    return absl::DataLossError(fmt::format("the spool is damaged: {}", verdict));
  return absl::OkStatus();
}

absl::Status Spool::load_head() {
  const auto create = compile(
      "INSERT INTO spool (one, version, epoch, boot_id) SELECT 1, ?, ?, ? "
      "WHERE NOT EXISTS (SELECT 1 FROM spool)");
  if (!create.ok()) return create.status();
  const std::string epoch = first_word_of("/proc/sys/kernel/random/uuid");
  bind(create->get(), 1, kVersion);
  sqlite3_bind_text(create->get(), 2, epoch.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(create->get(), 3, options_.boot_id.c_str(), -1, SQLITE_STATIC);
  if (sqlite3_step(create->get()) != SQLITE_DONE) return error("begin an epoch");

  const auto head = compile(
      "SELECT version, epoch, boot_id, last_sequence, fresh_first, fresh_last, fresh_count, "
      "reported_first, reported_last, reported_count, reported_at FROM spool");
  if (!head.ok()) return head.status();
  sqlite3_stmt* row = head->get();
  if (sqlite3_step(row) != SQLITE_ROW) return error("read the head");
  if (column(row, 0) != kVersion) {
    return absl::DataLossError(
        fmt::format("the spool has version {}, expected {}", column(row, 0), kVersion));
  }
  epoch_ = text(row, 1);
  last_ = column(row, 3);
  if (epoch_.empty() || last_ >= kLargestSequence)
    return absl::DataLossError("the spool's head is damaged");
  state_.fresh = {column(row, 4), column(row, 5), column(row, 6)};
  const SpoolLoss reported{column(row, 7), column(row, 8), column(row, 9)};
  // Whether the report arrived is not known: it is told again.
  merge_loss(state_.fresh, reported);
  other_boot_ = text(row, 2) != options_.boot_id;
  return absl::OkStatus();
}

absl::Status Spool::load_contents() {
  const auto contents = compile(
      "SELECT count(*), coalesce(sum(length(bytes)), 0), coalesce(min(sequence), 1), "
      "coalesce(max(sequence), 1) FROM item NOT INDEXED");
  if (!contents.ok()) return contents.status();
  if (sqlite3_step(contents->get()) != SQLITE_ROW) return error("count what is kept");
  state_.count = column(contents->get(), 0);
  state_.bytes = column(contents->get(), 1);
  const uint64_t least = column(contents->get(), 2), most = column(contents->get(), 3);
  if (state_.count > 0 && (least == 0 || least > most || most > last_))
    return absl::DataLossError("the spool's sequences are damaged");
  if (absl::Status status = prepare(); !status.ok()) return status;
  if (absl::Status status = refresh_first(); !status.ok()) return status;
  // Without power_safe a power cut can take back items whose sequences the collector has already
  // seen; what got the same sequences afterwards would be ignored as known.
  return other_boot_ ? renew_epoch() : absl::OkStatus();
}

}  // namespace picket
