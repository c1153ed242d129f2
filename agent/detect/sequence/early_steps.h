// Steps of one rule in one workspace that came while nothing waited for them. Records of several
// processors arrive a little out of order: what such a step waits for may have happened before and
// still be on its way. Kept for a moment, and few. Internal to the tracker, pipeline thread.
// Nothing fails.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/detect/finding.h"
#include "agent/detect/sequence/subtree.h"

namespace picket {

struct EarlyStep {
  uint32_t index = 0;  // of the step
  uint64_t time_ns = 0;
  Subtree subtree;
  FindingStep evidence;
  Finding finding;  // as if it were the last one
  std::vector<std::string> waivers;
};

class EarlySteps {
 public:
  static constexpr uint64_t kMoment = 1'000'000'000;

  void keep(EarlyStep step) {
    constexpr size_t kMost = 8;
    forget_before(step.time_ns);
    if (steps_.size() == kMost) steps_.erase(steps_.begin());
    const auto later = std::ranges::find_if(
        steps_, [&](const EarlyStep& other) { return other.time_ns > step.time_ns; });
    steps_.insert(later, std::move(step));
  }
  void forget_before(uint64_t now_ns) {
    std::erase_if(steps_, [&](const EarlyStep& one) { return one.time_ns + kMoment < now_ns; });
  }
  // Of later steps those that happened after `time_ns`, in the order of their times; what `take`
  // answers true for is used up. What happened at that very time may be the same event.
  template <class Take>
  void offer(uint32_t behind, uint64_t time_ns, Take take) {
    std::erase_if(steps_, [&](const EarlyStep& one) {
      return one.index > behind && one.time_ns > time_ns && take(one);
    });
  }
  bool empty() const { return steps_.empty(); }

 private:
  std::vector<EarlyStep> steps_;  // in the order of their times
};

}  // namespace picket
