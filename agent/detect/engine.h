// Hands each observation to the detectors that want its type and merges repeated findings. Owner:
// the pipeline thread; event time only. Errors: none; a finding is never dropped: a full table of
// repeats lets its oldest entry go out first.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/detect/detector.h"
#include "agent/detect/merger.h"

namespace picket {

class Engine {
 public:
  explicit Engine(MergeOptions options = {});

  void add(std::unique_ptr<Detector> detector);

  void on_event(const Observation& observation, FindingSink& sink);
  void on_tick(uint64_t event_time_ns,
               FindingSink& sink);  // about once a second, and after a quiet time
  void flush(FindingSink& sink);    // before the end: counts that were not sent yet

 private:
  std::vector<std::unique_ptr<Detector>> detectors_;
  std::array<std::vector<Detector*>, PK_TYPE_END> by_type_;
  Merger merger_;
};

}  // namespace picket
