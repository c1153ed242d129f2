// Destinations of alerts, in the test's process: real servers on loopback, with TLS or without,
// that keep what they are sent. Each has a thread of its own and serves one connection after the
// other. Errors: wait_for() gives up at the deadline with what there is.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/tls_files.h"

namespace picket::test {

struct ReceiverTls {
  TlsFiles files;  // its own certificate, and who may issue its clients'
  bool wants_client_certificate = false;
};

// What came, with a way to wait for it.
template <class Item>
class Mailbox {
 public:
  void put(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  // Until there are `count`, or `deadline` has passed.
  std::vector<Item> wait_for(size_t count, std::chrono::milliseconds deadline) {
    return wait_until([count](const auto& items) { return items.size() >= count; }, deadline);
  }
  std::vector<Item> wait_until(const std::function<bool(const std::vector<Item>&)>& enough,
                               std::chrono::milliseconds deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, deadline, [&] { return enough(items_); });
    return items_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> items_;
};

struct Request {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
};

// Answers with what `answer` says of a request that came.
class HttpReceiver {
 public:
  struct Answer {
    unsigned code = 200;
    std::string body = {};
    bool hang_up = false;  // in place of an answer
  };
  using Decide = std::function<Answer(const Request&)>;

  explicit HttpReceiver(std::optional<ReceiverTls> tls = std::nullopt, Decide decide = {});
  ~HttpReceiver();
  uint16_t port() const;
  Mailbox<Request>& requests();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// RFC 5425: messages with their length before them.
class SyslogReceiver {
 public:
  // The first `hang_ups` connections end before anything was read.
  explicit SyslogReceiver(const ReceiverTls& tls, size_t hang_ups = 0);
  ~SyslogReceiver();
  uint16_t port() const;
  Mailbox<std::string>& messages();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace picket::test
