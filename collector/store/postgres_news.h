// The wire between collectors on one PostgreSQL: a session that listens, and whose being there says
// that its collector lives. Owner: one thread, which waits; interrupt() from any. Errors:
// Unavailable while there is no server; the next wait tries again.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "collector/store/postgres.h"
#include "collector/store/store.h"

namespace picket::postgres {

class Wire final : public NewsWire {
 public:
  // Not connected before the first wait.
  Wire(std::string where, uint64_t replica);
  ~Wire() override;

  absl::StatusOr<News> wait(std::chrono::milliseconds timeout) override;
  void interrupt() override;

 private:
  absl::Status connect();
  News take_news();
  // false: interrupted, or the time is over.
  bool wait_for(int socket, std::chrono::milliseconds timeout) const;

  const std::string where_;
  const uint64_t replica_;
  const int interrupted_;  // an eventfd
  std::optional<Connection> connection_;
};

}  // namespace picket::postgres
