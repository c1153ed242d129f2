#include "collector/store/sqlite.h"

#include <fmt/format.h>

#include <utility>

namespace picket::sqlite {
namespace {

constexpr int kBusyMs = 5000;

absl::Status failed(sqlite3* db, std::string_view what) {
  const std::string message =
      fmt::format("{}: {}", what, db ? sqlite3_errmsg(db) : "out of memory");
  switch (db ? sqlite3_errcode(db) : SQLITE_NOMEM) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

Statement& Statement::restart() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  next_ = 1;
  bind_error_ = SQLITE_OK;
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  const int result = sqlite3_bind_text64(statement_.get(), next_++, text.data(), text.size(),
                                         SQLITE_TRANSIENT, SQLITE_UTF8);
  if (result != SQLITE_OK) bind_error_ = result;
  return *this;
}

Statement& Statement::bind(uint64_t number) {
  const int result =
      sqlite3_bind_int64(statement_.get(), next_++, static_cast<sqlite3_int64>(number));
  if (result != SQLITE_OK) bind_error_ = result;
  return *this;
}

Statement& Statement::bind_bytes(std::string_view bytes) {
  const int result =
      sqlite3_bind_blob64(statement_.get(), next_++, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  if (result != SQLITE_OK) bind_error_ = result;
  return *this;
}

absl::StatusOr<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) {
    return absl::InternalError(fmt::format(
        "bind a value of \"{}\": {}", sqlite3_sql(statement_.get()), sqlite3_errstr(bind_error_)));
  }
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  absl::Status status = failed(sqlite3_db_handle(statement_.get()),
                               fmt::format("run \"{}\"", sqlite3_sql(statement_.get())));
  sqlite3_reset(statement_.get());
  return status;
}

absl::Status Statement::run() {
  absl::Status status = step().status();
  sqlite3_reset(statement_.get());  // a statement left open would hold its transaction
  return status;
}

uint64_t Statement::number(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text ? std::string(text,
                            static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)))
              : std::string();
}

std::string_view Statement::bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return bytes ? std::string_view(
                     bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)))
               : std::string_view();
}

absl::StatusOr<Database> Database::open(const std::filesystem::path& file, Mode mode) {
  sqlite3* raw = nullptr;
  const int flags =
      mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int result = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db(raw);
  if (result != SQLITE_OK) return failed(raw, fmt::format("open database {}", file.string()));
  sqlite3_extended_result_codes(raw, 0);
  sqlite3_busy_timeout(raw, kBusyMs);
  return db;
}

absl::StatusOr<Statement> Database::prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return failed(db_.get(), fmt::format("prepare \"{}\"", sql));
  }
  return Statement(statement);
}

absl::Status Database::execute(const std::string& sql) const {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failed(db_.get(), fmt::format("run \"{}\"", sql));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Database::number(std::string_view sql) const {
  auto statement = prepare(sql);
  if (!statement.ok()) return statement.status();
  const auto row = statement->step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(fmt::format("run \"{}\": no row", sql));
  return statement->number(0);
}

uint64_t Database::last_row() const {
  return static_cast<uint64_t>(sqlite3_last_insert_rowid(db_.get()));
}

absl::StatusOr<Transaction> Transaction::begin(const Database& db) {
  if (absl::Status status = db.execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  return Transaction(db);
}

Transaction::~Transaction() {
  // Fails when the error has already rolled it back, which is what we want.
  if (db_) db_->execute("ROLLBACK").IgnoreError();
}

absl::Status Transaction::commit() {
  absl::Status status = db_->execute("COMMIT");
  if (status.ok()) db_ = nullptr;
  return status;
}

}  // namespace picket::sqlite
