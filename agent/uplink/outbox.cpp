#include "agent/uplink/outbox.h"

#include <algorithm>
#include <limits>

namespace picket {

bool Outbox::publish(Outgoing item) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    ++lost_;
    return false;
  }
  const size_t level = std::min<size_t>(item.priority, kPriorities - 1);
  if (depth_ >= capacity_) {
    ++lost_;
    size_t least = kPriorities - 1;
    while (least > level && waiting_[least].empty()) --least;
    if (least == level) return false;
    waiting_[least].pop_front();
    --depth_;
  }
  waiting_[level].push_back({arrivals_++, std::move(item)});
  ++depth_;
  ready_.notify_one();
  return true;
}

bool Outbox::report(StreamReport report) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<v1::Command>(report)) {
    if (commands_ >= kMaxCommands) {
      ++commands_refused_;
      return false;
    }
    ++commands_;
  }
  // The newest is what counts, and they are large.
  if (std::holds_alternative<OfferedRules>(report) ||
      std::holds_alternative<v1::WaiverSet>(report)) {
    std::erase_if(reports_,
                  [&](const StreamReport& waiting) { return waiting.index() == report.index(); });
  }
  // An acknowledgement covers all earlier ones.
  if (!reports_.empty() && std::holds_alternative<v1::Ack>(report) &&
      std::holds_alternative<v1::Ack>(reports_.back())) {
    reports_.back() = std::move(report);
  } else {
    reports_.push_back(std::move(report));
  }
  // Under the lock: after its last report the stream's thread must not touch an outbox that the
  // uplink thread, done with that report, may already have destroyed.
  ready_.notify_one();
  return true;
}

void Outbox::checkpoint(uint64_t value) {
  const std::lock_guard lock(mutex_);
  if (checkpoints_.size() >= kMaxCheckpoints) checkpoints_.pop_back();  // the new one says more
  checkpoints_.push_back({arrivals_, value});
  woken_ = true;
  ready_.notify_one();
}

void Outbox::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  ready_.notify_one();
}

void Outbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

Outbox::Taken Outbox::take(std::chrono::milliseconds timeout, size_t limit) {
  Taken taken;
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, timeout,
                  [&] { return woken_ || (limit > 0 && depth_ > 0) || !reports_.empty(); });
  woken_ = false;
  taken.reports = std::exchange(reports_, {});
  commands_ = 0;
  while (depth_ > 0 && taken.items.size() < limit) {
    const auto earliest = std::ranges::min_element(waiting_, {}, [](const auto& level) {
      return level.empty() ? std::numeric_limits<uint64_t>::max() : level.front().arrival;
    });
    taken.items.push_back(std::move(earliest->front().item));
    earliest->pop_front();
    --depth_;
  }
  take_checkpoints(taken);
  return taken;
}

void Outbox::take_checkpoints(Taken& taken) {
  uint64_t first_left = std::numeric_limits<uint64_t>::max();
  for (const auto& level : waiting_)
    if (!level.empty()) first_left = std::min(first_left, level.front().arrival);
  for (; !checkpoints_.empty() && checkpoints_.front().arrival <= first_left;
       checkpoints_.pop_front())
    taken.checkpoint = checkpoints_.front().value;
}

uint64_t Outbox::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

uint64_t Outbox::commands_refused() const {
  const std::lock_guard lock(mutex_);
  return commands_refused_;
}

size_t Outbox::depth() const {
  const std::lock_guard lock(mutex_);
  return depth_;
}

}  // namespace picket
