// Connections to PostgreSQL for questions, which never change anything. query() from any thread; it
// takes a connection for one question only, so there are as many as threads ask at once. A
// connection that turns out to be lost is replaced once. Errors: as Connection; a question that
// takes longer than a minute is ended by the server.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/store/postgres.h"

namespace picket::postgres {

class Pool {
 public:
  explicit Pool(std::string where) : where_(std::move(where)) {}

  absl::StatusOr<Result> query(const std::string& sql, const Values& values = {});

 private:
  std::optional<Connection> take_idle();
  void give_back(Connection connection);

  const std::string where_;
  std::mutex mutex_;
  std::vector<Connection> idle_;
};

}  // namespace picket::postgres
