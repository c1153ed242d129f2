#include "collector/store/postgres.h"

#include <endian.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstring>
#include <utility>

#include "common/utf8.h"

namespace picket::postgres {
namespace {

// Types of the server's catalogue, which never change.
constexpr Oid kBytes = 17, kNumber = 20, kText = 25;
constexpr Oid kManyBytes = 1001, kManyTexts = 1009, kManyNumbers = 1016;

constexpr size_t kMaxKey = 800;
constexpr int kOldest = 150000;
// "PCKT" and the next one: the advisory locks that are Picket's.
constexpr uint32_t kLocks = 0x50434b54, kPresences = kLocks + 1;

// The server, too, finds out about a machine that is gone: what its sessions held is free then.
const std::string kSettings =
    "SET search_path TO picket; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET "
    "tcp_keepalives_count = 3; SET tcp_user_timeout = 20000; ";

template <class Number>
void append(std::string& bytes, Number big_endian) {
  bytes.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
}
void append_int32(std::string& bytes, uint32_t number) { append(bytes, htobe32(number)); }
void append_value(std::string& bytes, std::string_view value) {
  append_int32(bytes, static_cast<uint32_t>(value.size()));
  bytes += value;
}
std::string big_endian(uint64_t number) {
  std::string bytes;
  append(bytes, htobe64(number));
  return bytes;
}

// libpq ends its messages with a line feed.
std::string words(const char* message) {
  std::string text(message == nullptr ? "" : message);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& byte : text)
    if (byte == '\n') byte = ' ';
  return text;
}

absl::StatusCode code_of(std::string_view state) {
  const auto is_of = [&](std::string_view kind) { return state.substr(0, kind.size()) == kind; };
  if (is_of("53")) return absl::StatusCode::kResourceExhausted;  // disk, memory, connections
  // Connection, administrator, deadlock and time-out: the same may succeed later.
  for (const char* kind : {"08", "57", "40", "55P03", "25P03", "25006"})
    if (is_of(kind)) return absl::StatusCode::kUnavailable;
  if (is_of("XX00") || is_of("58")) return absl::StatusCode::kDataLoss;
  if (is_of("23505")) return absl::StatusCode::kAlreadyExists;
  if (is_of("28") || is_of("42501")) return absl::StatusCode::kPermissionDenied;
  return absl::StatusCode::kInternal;
}

absl::Status check_server(PGconn* connection) {
  if (const int version = PQserverVersion(connection); version < kOldest)
    return absl::FailedPreconditionError(
        fmt::format("the server is PostgreSQL {}, 15 or newer is needed", version / 10000));
  const char* encoding = PQparameterStatus(connection, "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8")
    return absl::FailedPreconditionError(
        fmt::format("the database's encoding is {}, UTF8 is needed", encoding ? encoding : "?"));
  return absl::OkStatus();
}

}  // namespace

std::string key_text(std::string_view text) {
  std::string key;
  if (text.size() > kMaxKey) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    key = to_utf8(text.substr(0, kMaxKey - 2 * size - 4)) + '#';
    for (unsigned i = 0; i < size; ++i) key += fmt::format("{:02x}", digest[i]);
  } else {
    key = to_utf8(text);
  }
  for (size_t at = 0; (at = key.find('\0', at)) != std::string::npos;)
    key.replace(at, 1, "\xe2\x90\x80");
  return key;
}

Values& Values::keep(Oid type, std::string value) {
  types_.push_back(type);
  values_.push_back(std::move(value));
  return *this;
}

Values& Values::keep_array(Oid array, Oid element, const std::vector<std::string>& values) {
  std::string bytes;
  append_int32(bytes, values.empty() ? 0 : 1);  // dimensions
  append_int32(bytes, 0);                       // no NULL
  append_int32(bytes, element);
  if (!values.empty()) {
    append_int32(bytes, static_cast<uint32_t>(values.size()));
    append_int32(bytes, 1);  // the first index
  }
  for (const std::string& value : values) append_value(bytes, value);
  return keep(array, std::move(bytes));
}

Values& Values::add(std::string_view text) { return keep(kText, key_text(text)); }
Values& Values::add(uint64_t number) { return keep(kNumber, big_endian(number)); }
Values& Values::add_bytes(std::string_view bytes) { return keep(kBytes, std::string(bytes)); }

Values& Values::add(const std::vector<std::string>& texts) {
  std::vector<std::string> keys;
  keys.reserve(texts.size());
  for (const std::string& text : texts) keys.push_back(key_text(text));
  return keep_array(kManyTexts, kText, keys);
}

Values& Values::add(const std::vector<uint64_t>& numbers) {
  std::vector<std::string> values;
  values.reserve(numbers.size());
  for (const uint64_t number : numbers) values.push_back(big_endian(number));
  return keep_array(kManyNumbers, kNumber, values);
}

Values& Values::add_bytes(const std::vector<std::string>& many) {
  return keep_array(kManyBytes, kBytes, many);
}

CopyRows::CopyRows() : bytes_("PGCOPY\n\377\r\n\0", 11) {
  append_int32(bytes_, 0);  // flags
  append_int32(bytes_, 0);  // no extension of the header
}

void CopyRows::begin_row(uint16_t columns) { append(bytes_, htobe16(columns)); }
void CopyRows::add(uint64_t number) { append_value(bytes_, big_endian(number)); }
void CopyRows::add_bytes(std::string_view bytes) { append_value(bytes_, bytes); }

const std::string& CopyRows::finish() {
  append(bytes_, htobe16(0xffff));
  return bytes_;
}

uint64_t Result::number(int row, int column) const {
  const std::string_view value = bytes(row, column);
  uint64_t number = 0;
  if (value.size() != sizeof number) return 0;
  std::memcpy(&number, value.data(), sizeof number);
  return be64toh(number);
}

std::string_view Result::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

absl::Status hold_presence(Connection& connection, uint64_t replica) {
  // Shared: the server may not have noticed yet that an earlier session of this one is gone.
  return connection.script(
      fmt::format("SELECT pg_advisory_lock_shared({}, {})", kPresences, replica));
}

absl::StatusOr<bool> hold_output(Connection& connection, const std::string& output) {
  // Locks of one number of 64 bits are apart from those of two.
  const auto held =
      connection.run("SELECT pg_try_advisory_lock(hashtextextended($1, $2))::int::bigint",
                     Values().add(output).add(uint64_t{kLocks}));
  if (!held.ok()) return held.status();
  return held->number(0, 0) == 1;
}

std::string problem_of(const std::string& where) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(where.c_str(), &message);
  std::string problem = options == nullptr ? words(message) : "";
  if (options == nullptr && problem.empty()) problem = "out of memory";
  PQconninfoFree(options);
  PQfreemem(message);
  return problem;
}

absl::StatusOr<Connection> Connection::open(const std::string& where, const std::string& settings) {
  // What stands before dbname can be chosen otherwise in the connection string, the rest cannot.
  const std::array<const char*, 9> names{
      "connect_timeout",  "keepalives_idle",           "keepalives_interval",
      "keepalives_count", "tcp_user_timeout",          "dbname",
      "client_encoding",  "fallback_application_name", nullptr};
  const std::array<const char*, 9> values{
      "5", "10", "5", "3", "20000", where.c_str(), "UTF8", "picket-collector", nullptr};
  Connection connection(PQconnectdbParams(names.data(), values.data(), 1));
  if (!connection.alive())
    return absl::UnavailableError(fmt::format("connect to PostgreSQL: {}",
                                              words(PQerrorMessage(connection.connection_.get()))));
  PQsetNoticeProcessor(
      connection.raw(), [](void*, const char* notice) { spdlog::debug("{}", words(notice)); },
      nullptr);
  if (absl::Status status = check_server(connection.raw()); !status.ok()) return status;
  absl::Status set = connection.script(kSettings + settings);
  if (!set.ok()) return set;
  return connection;
}

absl::Status Connection::failed(const char* sql, const PGresult* result) {
  const std::string message =
      fmt::format("run \"{}\": {}", sql, words(PQerrorMessage(connection_.get())));
  // What the server did not say libpq found out: it could not write, which it may say before it
  // calls the connection bad.
  const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  lost_ = lost_ || state == nullptr;
  return absl::Status(alive() ? code_of(state) : absl::StatusCode::kUnavailable, message);
}

absl::StatusOr<Result> Connection::run(const char* sql, const Values& values) {
  std::vector<const char*> pointers;
  std::vector<int> lengths, formats(values.size(), 1);
  for (const std::string& value : values.values_) {
    pointers.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  PGresult* raw =
      PQexecParams(connection_.get(), sql, static_cast<int>(values.size()), values.types_.data(),
                   pointers.data(), lengths.data(), formats.data(), 1);
  Result result(raw);
  const ExecStatusType status = PQresultStatus(raw);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return failed(sql, raw);
  return result;
}

absl::StatusOr<Result> Connection::execute(const std::string& sql) {
  PGresult* raw = PQexec(connection_.get(), sql.c_str());
  Result result(raw);
  const ExecStatusType status = PQresultStatus(raw);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return failed(sql.c_str(), raw);
  return result;
}

absl::Status Connection::copy(const char* sql, const std::string& rows) {
  PGconn* connection = connection_.get();
  PGresult* raw = PQexec(connection, sql);
  const Result begun(raw);
  if (PQresultStatus(raw) != PGRES_COPY_IN) return failed(sql, raw);
  absl::Status status;
  if (PQputCopyData(connection, rows.data(), static_cast<int>(rows.size())) != 1 ||
      PQputCopyEnd(connection, nullptr) != 1)
    status = failed(sql, nullptr);
  while (PGresult* next = PQgetResult(connection)) {
    const Result ended(next);
    if (status.ok() && PQresultStatus(next) != PGRES_COMMAND_OK) status = failed(sql, next);
    if (!alive()) break;
  }
  return status;
}

absl::StatusOr<Transaction> Transaction::begin(Connection& connection) {
  if (absl::Status status = connection.script("BEGIN"); !status.ok()) return status;
  return Transaction(connection);
}

Transaction::~Transaction() {
  if (connection_ != nullptr && connection_->alive()) connection_->script("ROLLBACK").IgnoreError();
}

absl::Status Transaction::wait_for(Turn turn) {
  return connection_->script(
      fmt::format("SELECT pg_advisory_xact_lock({}, {})", kLocks, static_cast<int>(turn)));
}

void Transaction::tell(std::string_view word) {
  news_ += fmt::format("NOTIFY {}, '{}'; ", kChannel, word);
}

absl::Status Transaction::commit() {
  const auto ended = connection_->execute(news_ + "COMMIT");
  if (!ended.ok()) return ended.status();
  connection_ = nullptr;
  // What a failed statement left behind is rolled back without a word.
  if (ended->command() != "COMMIT")
    return absl::InternalError("commit a transaction of which a statement had failed");
  return absl::OkStatus();
}

}  // namespace picket::postgres
