// Who runs an output: a session of its own holds an advisory lock of the output's name and writes
// its cursor, so a cursor is only ever moved by who holds the lock. The server gives the lock up
// with the session. Owner: as OutputTurn says, one thread at a time. Errors: Unavailable while
// there is no server; the next hold() tries again.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "collector/store/postgres.h"
#include "collector/store/store.h"

namespace picket::postgres {

class SessionTurn final : public OutputTurn {
 public:
  // Not connected before the first hold().
  SessionTurn(std::string where, std::string output)
      : where_(std::move(where)), output_(std::move(output)) {}

  absl::StatusOr<bool> hold() override;
  absl::Status set_cursor(uint64_t row) override;

 private:
  absl::StatusOr<bool> take();
  absl::Status confirm();

  const std::string where_, output_;
  std::optional<Connection> connection_;
  bool held_ = false;
  std::chrono::steady_clock::time_point asked_{};  // the server has answered this question
};

}  // namespace picket::postgres
