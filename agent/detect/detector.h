// The one word the engine knows: rules, sequences and models are Detectors. Called by the pipeline
// thread only, with event time only, so a replay gives the same findings every time. A Detector
// never acts.
#pragma once

#include <cstdint>
#include <span>

#include "agent/detect/finding.h"
#include "agent/enrich/observation.h"

namespace picket {

struct FindingSink {
  virtual ~FindingSink() = default;
  virtual void on_finding(Finding finding) = 0;
};

struct Detector {
  virtual ~Detector() = default;
  virtual std::span<const pk_type> wants() const = 0;
  virtual void on_event(const Observation& observation, FindingSink& sink) = 0;
  virtual void on_tick(uint64_t event_time_ns, FindingSink& sink) {
    (void)event_time_ns;
    (void)sink;
  }
};

}  // namespace picket
