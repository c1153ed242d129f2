#include "agent/detect/engine.h"

#include <utility>

namespace picket {
namespace {

// What a detector finds goes through the merger.
class MergingSink final : public FindingSink {
 public:
  MergingSink(Merger& merger, FindingSink& next) : merger_(merger), next_(next) {}
  void on_finding(Finding finding) override { merger_.add(std::move(finding), next_); }

 private:
  Merger& merger_;
  FindingSink& next_;
};

}  // namespace

Engine::Engine(MergeOptions options) : merger_(options) {}

void Engine::add(std::unique_ptr<Detector> detector) {
  for (const pk_type type : detector->wants()) by_type_[type].push_back(detector.get());
  detectors_.push_back(std::move(detector));
}

void Engine::on_event(const Observation& observation, FindingSink& sink) {
  MergingSink merging(merger_, sink);
  for (Detector* detector : by_type_[observation.event.type()]) {
    detector->on_event(observation, merging);
  }
}

void Engine::on_tick(uint64_t event_time_ns, FindingSink& sink) {
  MergingSink merging(merger_, sink);
  for (const auto& detector : detectors_) detector->on_tick(event_time_ns, merging);
  merger_.on_tick(event_time_ns, sink);
}

void Engine::flush(FindingSink& sink) { merger_.flush(sink); }

}  // namespace picket
