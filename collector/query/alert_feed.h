// Live alerts for those who watch. publish() is the writer's, subscribe() any thread's; each
// subscriber has a bounded queue of its own. Errors: who does not keep up is cut off and told so;
// the feed itself never waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "collector/store/store.h"

namespace picket {

class Subscription {
 public:
  enum class State { open, overflowed, closed };

  // `wake` is called when something has come, outside any lock of the feed's.
  Subscription(size_t capacity, std::function<void()> wake, std::string watcher = {})
      : capacity_(capacity), wake_(std::move(wake)), watcher_(std::move(watcher)) {}

  // The next alert, shared between subscribers; nullptr: none now, or no more (see state()).
  std::shared_ptr<const StoredAlert> take();
  State state() const;  // overflowed: some are missing

 private:
  friend class AlertFeed;
  void push(const std::vector<std::shared_ptr<const StoredAlert>>& alerts);
  void close();

  const size_t capacity_;
  const std::function<void()> wake_;
  const std::string watcher_;
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<const StoredAlert>> queue_;
  State state_ = State::open;
};

class AlertFeed {
 public:
  // A listener of the writer.
  void publish(const CommitOutcome& outcome);
  // false: the feed is closed, nothing will come.
  bool subscribe(std::shared_ptr<Subscription> subscription);
  void unsubscribe(const std::shared_ptr<Subscription>& subscription);
  size_t subscribers() const;
  size_t subscribers_of(const std::string& watcher) const;
  // Wakes every subscriber with nothing to take: the collector is stopping.
  void close();

 private:
  mutable std::mutex mutex_;
  std::set<std::shared_ptr<Subscription>> subscriptions_;
  bool closed_ = false;
};

}  // namespace picket
