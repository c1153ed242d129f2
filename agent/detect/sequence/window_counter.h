// Distinct values seen within a time that slides: each with when it was last seen. Used by one
// sequence, pipeline thread. Nothing fails; whoever bounds it takes the oldest out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/container/flat_hash_map.h"

namespace picket {

class WindowCounter {
 public:
  WindowCounter() = default;
  WindowCounter(const WindowCounter& other) {
    for (const Seen& seen : other.seen_) add(seen.time_ns, seen.value);
  }
  WindowCounter(WindowCounter&&) = default;
  WindowCounter& operator=(WindowCounter&&) = default;

  // Whether the value is new.
  bool add(uint64_t time_ns, uint64_t value) {
    const auto [at, fresh] = by_value_.try_emplace(value);
    if (fresh) {
      at->second = seen_.insert(seen_.end(), {time_ns, value});
    } else {
      at->second->time_ns = time_ns;
      seen_.splice(seen_.end(), seen_, at->second);
    }
    return fresh;
  }
  void drop_oldest() {
    by_value_.erase(seen_.front().value);
    seen_.pop_front();
  }
  void forget_before(uint64_t time_ns) {
    while (!seen_.empty() && seen_.front().time_ns < time_ns) drop_oldest();
  }

  size_t size() const { return by_value_.size(); }
  bool empty() const { return seen_.empty(); }
  uint64_t oldest_ns() const { return seen_.front().time_ns; }

 private:
  struct Seen {
    uint64_t time_ns = 0, value = 0;
  };
  std::list<Seen> seen_;  // the one that was seen longest ago in front
  absl::flat_hash_map<uint64_t, std::list<Seen>::iterator> by_value_;
};

}  // namespace picket
