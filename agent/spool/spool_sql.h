// The little of SQLite that both halves of the spool need. Internal to this folder; the uplink
// thread. Errors: booleans and codes, turned into a status by Spool::error().
#pragma once

#include <sqlite3.h>

#include <cstdint>

namespace picket::spool_sql {

// Rolls back unless it was committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_(db) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (open_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  bool begin() {
    return open_ = sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  bool commit() {
    if (sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) return false;
    open_ = false;
    return true;
  }

 private:
  sqlite3* db_;
  bool open_ = false;
};

// Puts a prepared statement back into its first state at the end of a scope.
struct Reset {
  sqlite3_stmt* statement;
  explicit Reset(sqlite3_stmt* of) : statement(of) {}
  Reset(const Reset&) = delete;
  Reset& operator=(const Reset&) = delete;
  ~Reset() {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

inline uint64_t column(sqlite3_stmt* statement, int index) {
  return static_cast<uint64_t>(sqlite3_column_int64(statement, index));
}

inline void bind(sqlite3_stmt* statement, int index, uint64_t value) {
  sqlite3_bind_int64(statement, index, static_cast<sqlite3_int64>(value));
}

}  // namespace picket::spool_sql
