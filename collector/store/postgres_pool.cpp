#include "collector/store/postgres_pool.h"

#include <utility>

namespace picket::postgres {
namespace {

constexpr size_t kMaxIdle = 4;
constexpr const char* kSettings =
    "SET default_transaction_read_only = on; SET statement_timeout = '60s'";

}  // namespace

std::optional<Connection> Pool::take_idle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::nullopt;
  std::optional<Connection> connection(std::move(idle_.back()));
  idle_.pop_back();
  return connection;
}

void Pool::give_back(Connection connection) {
  if (!connection.alive()) return;
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(connection));
}

absl::StatusOr<Result> Pool::query(const std::string& sql, const Values& values) {
  // Idle ones may all be lost since the server was started anew.
  while (auto idle = take_idle()) {
    auto result = idle->run(sql, values);
    const bool lost = !idle->alive();
    give_back(*std::move(idle));
    if (!lost) return result;
  }
  auto connection = Connection::open(where_, kSettings);
  if (!connection.ok()) return connection.status();
  auto result = connection->run(sql, values);
  give_back(*std::move(connection));
  return result;
}

}  // namespace picket::postgres
