#include "tests/support/stored.h"

#include <fmt/format.h>
#include <poll.h>
#include <sqlite3.h>

#include <functional>
#include <memory>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

std::string column(sqlite3_stmt* row, int index) {
  const void* bytes = sqlite3_column_blob(row, index);
  size_t size = static_cast<size_t>(sqlite3_column_bytes(row, index));
  return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

absl::Status for_rows(const std::string& database, const std::string& query,
                      const std::function<void(sqlite3_stmt*)>& take) {
  sqlite3* opened = nullptr;
  int code = sqlite3_open_v2(database.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr);
  std::unique_ptr<sqlite3, decltype(&sqlite3_close)> db(opened, sqlite3_close);
  if (code != SQLITE_OK) return absl::NotFoundError(fmt::format("open {}", database));
  sqlite3_busy_timeout(opened, 10000);
  sqlite3_stmt* prepared = nullptr;
  code = sqlite3_prepare_v2(opened, query.c_str(), -1, &prepared, nullptr);
  std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(prepared, sqlite3_finalize);
  if (code != SQLITE_OK)
    return absl::InternalError(fmt::format("{}: {}", query, sqlite3_errmsg(opened)));
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) take(prepared);
  if (code != SQLITE_DONE)
    return absl::InternalError(fmt::format("{}: {}", query, sqlite3_errmsg(opened)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<v1::CommandResult>> stored_results(const std::string& database,
                                                              size_t count) {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  for (;;) {
    std::vector<v1::CommandResult> results;
    absl::Status read = for_rows(
        database, "SELECT result FROM command_results ORDER BY row",
        [&](sqlite3_stmt* row) { results.emplace_back().ParseFromString(column(row, 0)); });
    if (!read.ok()) return read;
    if (results.size() >= count) return results;
    if (std::chrono::steady_clock::now() > deadline)
      return absl::DeadlineExceededError(
          fmt::format("wait for {} results at the collector: {} are there", count, results.size()));
    poll(nullptr, 0, 10);  // another process's database raises no event
  }
}

absl::StatusOr<std::vector<AuditRow>> stored_audit(const std::string& database) {
  std::vector<AuditRow> rows;
  absl::Status read = for_rows(
      database, "SELECT actor, action, object, reason, outcome FROM audit ORDER BY sequence",
      [&](sqlite3_stmt* row) {
        rows.push_back(
            {column(row, 0), column(row, 1), column(row, 2), column(row, 3), column(row, 4)});
      });
  if (!read.ok()) return read;
  return rows;
}

absl::StatusOr<std::vector<std::string>> stored_rows(const std::string& database,
                                                     const std::string& query) {
  std::vector<std::string> rows;
  absl::Status read = for_rows(database, query, [&](sqlite3_stmt* row) {
    std::string& words = rows.emplace_back(column(row, 0));
    for (int i = 1; i < sqlite3_column_count(row); ++i) words += " " + column(row, i);
  });
  if (!read.ok()) return read;
  return rows;
}

}  // namespace picket::test
