// Sum of amounts within a time that slides. Amounts close to each other are one, so that it needs
// no more room than kParts of them: the sum may fall a part of the window too late. Used by one
// sequence, pipeline thread. Nothing fails.
#pragma once

#include <cstdint>
#include <deque>

namespace picket {

class WindowSum {
 public:
  static constexpr uint64_t kParts = 64;

  void add(uint64_t time_ns, uint64_t amount, uint64_t window_ns) {
    if (parts_.empty() || time_ns > parts_.back().first_ns + window_ns / kParts)
      parts_.push_back({time_ns, time_ns, 0});
    parts_.back().last_ns = time_ns;
    parts_.back().amount += amount;
    total_ += amount;
  }
  void forget_before(uint64_t time_ns) {
    while (!parts_.empty() && parts_.front().last_ns < time_ns) {
      total_ -= parts_.front().amount;
      parts_.pop_front();
    }
  }

  uint64_t total() const { return total_; }
  uint64_t oldest_ns() const { return parts_.front().first_ns; }

 private:
  struct Part {
    uint64_t first_ns = 0, last_ns = 0, amount = 0;
  };
  std::deque<Part> parts_;  // the oldest in front
  uint64_t total_ = 0;
};

}  // namespace picket
