#include "collector/store/postgres_turn.h"

#include <fmt/format.h>

namespace picket::postgres {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Longer ago than that, that the server held the lock for us says nothing. Much less than a server
// needs to find a session dead that it hears nothing from (postgres.cpp).
constexpr std::chrono::seconds kBelieved{1};

}  // namespace

absl::StatusOr<bool> SessionTurn::hold() {
  if (!held_) return take();
  const absl::Status status = confirm();
  if (status.ok()) return true;
  held_ = false;
  connection_.reset();
  return absl::UnavailableError(
      fmt::format("another collector may run it now: {}",
                  std::string_view(status.message().data(), status.message().size())));
}

absl::StatusOr<bool> SessionTurn::take() {
  if (!connection_ || !connection_->alive()) {
    connection_.reset();
    auto connection = Connection::open(where_, "");
    if (!connection.ok()) return connection.status();
    connection_ = *std::move(connection);
  }
  const auto asked = SteadyClock::now();
  const auto taken = hold_output(*connection_, output_);
  if (!taken.ok()) return taken.status();
  held_ = *taken;
  asked_ = asked;
  return held_;
}

absl::Status SessionTurn::confirm() {
  // Without a question that shows which the server or its machine said goodbye to.
  if (!connection_->alive() || PQconsumeInput(connection_->raw()) != 1)
    return absl::UnavailableError("the connection to PostgreSQL was cut");
  const auto now = SteadyClock::now();
  if (now - asked_ < kBelieved) return absl::OkStatus();
  const auto answer = connection_->run("SELECT 1");
  if (!answer.ok()) return answer.status();
  asked_ = now;
  return absl::OkStatus();
}

absl::Status SessionTurn::set_cursor(uint64_t row) {
  if (!held_)
    return absl::FailedPreconditionError("note how far an output is: another collector may run it");
  return connection_
      ->run(
          "INSERT INTO output_cursors VALUES ($1, $2) ON CONFLICT (output) DO UPDATE SET number = "
          "excluded.number",
          Values().add(output_).add(row))
      .status();
}

}  // namespace picket::postgres
