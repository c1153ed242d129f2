// PostgreSQL through libpq, in its binary form, with statuses instead of result codes. A Connection
// and its results are used by one thread at a time. Errors: every status says what was attempted
// and what the server answered; Unavailable: the connection is lost or the server is not ready.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket::postgres {

// As the database keeps a text that it looks for: it takes no NUL (which becomes U+2400), and its
// indexes nothing long (800 bytes stay whole, of more the beginning and a hash).
std::string key_text(std::string_view text);

// For $1, $2 and so on, in this order.
class Values {
 public:
  Values& add(std::string_view text);  // as key_text()
  Values& add(uint64_t number);
  Values& add_bytes(std::string_view bytes);
  Values& add(const std::vector<std::string>& texts);
  Values& add(const std::vector<uint64_t>& numbers);
  Values& add_bytes(const std::vector<std::string>& many);

  size_t size() const { return values_.size(); }

 private:
  friend class Connection;
  Values& keep(Oid type, std::string value);
  Values& keep_array(Oid array, Oid element, const std::vector<std::string>& values);

  std::vector<Oid> types_;
  std::list<std::string> values_;  // which stay where they are
};

// Rows for COPY ... FROM STDIN BINARY.
class CopyRows {
 public:
  CopyRows();
  void begin_row(uint16_t columns);
  void add(std::string_view text) { add_bytes(key_text(text)); }
  void add(uint64_t number);
  void add_bytes(std::string_view bytes);
  const std::string& finish();

 private:
  std::string bytes_;
};

class Result {
 public:
  explicit Result(PGresult* result) : result_(result) {}
  int rows() const { return PQntuples(result_.get()); }
  std::string_view command() const { return PQcmdStatus(result_.get()); }
  uint64_t number(int row, int column) const;  // of a BIGINT; 0: NULL
  std::string text(int row, int column) const { return std::string(bytes(row, column)); }
  std::string_view bytes(int row, int column) const;  // as long as the result

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

class Connection {
 public:
  // `where`: libpq's connection string or URI. `settings`: SET statements of the session. The
  // session works in the schema "picket".
  static absl::StatusOr<Connection> open(const std::string& where, const std::string& settings);

  absl::StatusOr<Result> run(const char* sql, const Values& values = {});
  absl::StatusOr<Result> run(const std::string& sql, const Values& values = {}) {
    return run(sql.c_str(), values);
  }
  // Several statements without values.
  absl::Status script(const std::string& sql) { return execute(sql).status(); }
  absl::Status copy(const char* sql, const std::string& rows);

  bool alive() const { return !lost_ && PQstatus(connection_.get()) == CONNECTION_OK; }
  PGconn* raw() const { return connection_.get(); }

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  friend class Transaction;
  explicit Connection(PGconn* connection) : connection_(connection) {}
  absl::StatusOr<Result> execute(const std::string& sql);  // the last statement's
  absl::Status failed(const char* sql, const PGresult* result);

  std::unique_ptr<PGconn, Close> connection_;
  bool lost_ = false;
};

// "" or what is wrong with a connection string.
std::string problem_of(const std::string& where);

// What all collectors on one database agree to do one at a time; held until the transaction ends.
enum class Turn { schema = 0, ingest = 1, audit = 2 };

// The session says that the collector of this number lives, as long as it lasts: the view
// live_replicas has them.
absl::Status hold_presence(Connection& connection, uint64_t replica);

// The session runs the output of this name, as long as it lasts; false: another one does.
absl::StatusOr<bool> hold_output(Connection& connection, const std::string& output);

// Where the collectors on one database tell each other what happened.
inline constexpr const char* kChannel = "picket";

// Rolled back unless committed.
class Transaction {
 public:
  static absl::StatusOr<Transaction> begin(Connection& connection);
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, {})), news_(std::move(other.news_)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status wait_for(Turn turn);
  // With the commit; one of the words that the news know.
  void tell(std::string_view word);
  absl::Status commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
  std::string news_;
};

}  // namespace picket::postgres
