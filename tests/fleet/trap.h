// A receiver's hesitation, so that a sender can be killed while it waits for an answer. pass() is
// the receiver's thread's, the rest the test's. Errors: wait() gives up at the deadline.
#pragma once

#include <cstddef>
#include <future>
#include <mutex>

#include "tests/support/receivers.h"
#include "tests/support/subprocess.h"

namespace picket::test {

// Answers, but for one request, whose answer waits until the collector is dead.
class Trap {
 public:
  void set(size_t in_requests) {
    const std::lock_guard lock(mutex_);
    left_ = in_requests;
    reached_ = {};
    over_ = {};
  }
  HttpReceiver::Answer pass() {
    std::unique_lock lock(mutex_);
    if (left_ == 0 || --left_ > 0) return {};
    reached_.set_value();
    std::future<void> over = over_.get_future();
    lock.unlock();
    over.wait_for(kDeadline);
    return {};
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    std::future<void> reached = reached_.get_future();
    lock.unlock();
    return reached.wait_for(kDeadline) == std::future_status::ready;
  }
  void release() { over_.set_value(); }

 private:
  std::mutex mutex_;
  size_t left_ = 0;
  std::promise<void> reached_, over_;
};

}  // namespace picket::test
