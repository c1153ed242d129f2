#include "collector/store/postgres_news.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace picket::postgres {
namespace {

constexpr std::chrono::milliseconds kBetweenAttempts{1000};

constexpr News kEverything{true, true, true, true, true};

void add(News& news, std::string_view word) {
  news.alerts = news.alerts || word == "alerts";
  news.commands = news.commands || word == "commands";
  news.results = news.results || word == "results";
  news.nodes = news.nodes || word == "nodes";
  news.policy = news.policy || word == "policy";
}

bool is_any(const News& news) {
  return news.alerts || news.commands || news.results || news.nodes || news.policy;
}

}  // namespace

Wire::Wire(std::string where, uint64_t replica)
    : where_(std::move(where)),
      replica_(replica),
      interrupted_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Wire::~Wire() { close(interrupted_); }

void Wire::interrupt() { eventfd_write(interrupted_, 1); }

absl::Status Wire::connect() {
  auto connection = Connection::open(where_, "");
  if (!connection.ok()) return connection.status();
  absl::Status status = hold_presence(*connection, replica_);
  if (status.ok()) status = connection->script(fmt::format("LISTEN {}", kChannel));
  if (!status.ok()) return status;
  connection_ = *std::move(connection);
  return absl::OkStatus();
}

bool Wire::wait_for(int socket, std::chrono::milliseconds timeout) const {
  pollfd waiting[2] = {{interrupted_, POLLIN, 0}, {socket, POLLIN, 0}};
  const int ready = poll(waiting, 2, static_cast<int>(timeout.count()));
  if (ready < 0 && errno == EINTR) return false;
  eventfd_t count = 0;
  if (waiting[0].revents != 0) eventfd_read(interrupted_, &count);
  return waiting[0].revents == 0 && waiting[1].revents != 0;
}

News Wire::take_news() {
  News news;
  PGconn* connection = connection_->raw();
  while (PGnotify* notification = PQnotifies(connection)) {
    add(news, notification->extra);
    PQfreemem(notification);
  }
  return news;
}

absl::StatusOr<News> Wire::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  if (!connection_) {
    absl::Status connected = connect();
    if (connected.ok()) return kEverything;
    wait_for(-1, std::min(timeout, kBetweenAttempts));
    return connected;
  }
  while (true) {
    if (PQconsumeInput(connection_->raw()) != 1) {
      connection_.reset();
      return absl::UnavailableError("the wire to the other collectors was cut");
    }
    const News news = take_news();
    if (is_any(news)) return news;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !wait_for(PQsocket(connection_->raw()), left)) return News{};
  }
}

}  // namespace picket::postgres
