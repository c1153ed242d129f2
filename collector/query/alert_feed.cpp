#include "collector/query/alert_feed.h"

#include <algorithm>

#include <utility>

namespace picket {

std::shared_ptr<const StoredAlert> Subscription::take() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return nullptr;
  auto next = std::move(queue_.front());
  queue_.pop_front();
  return next;
}

Subscription::State Subscription::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Subscription::push(const std::vector<std::shared_ptr<const StoredAlert>>& alerts) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::open) return;
    // One commit fits an empty queue, however large it is.
    if (!queue_.empty() && queue_.size() + alerts.size() > capacity_) {
      state_ = State::overflowed;
      queue_.clear();
    } else {
      queue_.insert(queue_.end(), alerts.begin(), alerts.end());
    }
  }
  wake_();
}

void Subscription::close() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::open) state_ = State::closed;
  }
  wake_();
}

void AlertFeed::publish(const CommitOutcome& outcome) {
  if (outcome.new_alerts.empty()) return;
  std::vector<std::shared_ptr<Subscription>> subscribers;
  {
    const std::lock_guard lock(mutex_);
    subscribers.assign(subscriptions_.begin(), subscriptions_.end());
  }
  if (subscribers.empty()) return;
  std::vector<std::shared_ptr<const StoredAlert>> alerts;
  alerts.reserve(outcome.new_alerts.size());
  for (const StoredAlert& alert : outcome.new_alerts) {
    alerts.push_back(std::make_shared<const StoredAlert>(alert));
  }
  for (const auto& subscriber : subscribers) subscriber->push(alerts);
}

bool AlertFeed::subscribe(std::shared_ptr<Subscription> subscription) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  subscriptions_.insert(std::move(subscription));
  return true;
}

void AlertFeed::unsubscribe(const std::shared_ptr<Subscription>& subscription) {
  const std::lock_guard lock(mutex_);
  subscriptions_.erase(subscription);
}

size_t AlertFeed::subscribers_of(const std::string& watcher) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(
      subscriptions_, [&](const auto& subscription) { return subscription->watcher_ == watcher; }));
}

size_t AlertFeed::subscribers() const {
  const std::lock_guard lock(mutex_);
  return subscriptions_.size();
}

void AlertFeed::close() {
  std::set<std::shared_ptr<Subscription>> subscriptions;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    subscriptions.swap(subscriptions_);
  }
  for (const auto& subscription : subscriptions) subscription->close();
}

}  // namespace picket
