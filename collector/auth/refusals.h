// Every peer, call and message that was turned away, counted by reason. Safe from every thread.
// Nothing fails; the reasons are constants of the code, so the table is bounded.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace picket {

class Refusals {
 public:
  void add(std::string_view reason) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(reason);
    if (found == counts_.end()) {
      counts_.emplace(reason, 1);
    } else {
      ++found->second;
    }
  }

  std::map<std::string, uint64_t, std::less<>> counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> counts_;
};

}  // namespace picket
