// SQLite with statuses instead of result codes. A Database and its statements are used by one
// thread at a time. Errors: every status says what was attempted and what SQLite answered.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket::sqlite {

class Statement {
 public:
  Statement() = default;  // to be replaced by one of Database::prepare()

  // Begins a new execution; values follow in the order of the question marks.
  Statement& restart();
  Statement& bind(std::string_view text);
  Statement& bind(uint64_t number);
  Statement& bind_bytes(std::string_view bytes);

  absl::StatusOr<bool> step();  // true: a row stands ready
  absl::Status run();           // for statements without rows

  // Of the current row; texts are copied.
  uint64_t number(int column) const;
  std::string text(int column) const;
  std::string_view bytes(int column) const;  // until the next step

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_ = 1;
  int bind_error_ = SQLITE_OK;
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  static absl::StatusOr<Database> open(const std::filesystem::path& file, Mode mode);

  absl::StatusOr<Statement> prepare(std::string_view sql) const;
  absl::Status execute(const std::string& sql) const;  // one or more statements without rows
  absl::StatusOr<uint64_t> number(std::string_view sql) const;  // the first column of the first row
  uint64_t last_row() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Database(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
};

// Rolled back unless committed.
class Transaction {
 public:
  static absl::StatusOr<Transaction> begin(const Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status commit();

 private:
  explicit Transaction(const Database& db) : db_(&db) {}
  const Database* db_;
};

}  // namespace picket::sqlite
