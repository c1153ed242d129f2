// Proof that the sensor is alive: one of each core event is caused in a cgroup made for it, and
// waited for. "Attached" alone proves nothing. Runs once after start(), on the thread that will
// poll. Errors: what did not come back is named in words and marked as failing in the coverage;
// nothing of it reaches `downstream`, everything else that comes meanwhile does.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent/sensor/bpf_sensor.h"

namespace picket {

struct SelfCheckResult {
  // One sentence for each event that did not come back, or for what kept the check from being made.
  // Empty: all is well.
  std::vector<std::string> missing;
};

SelfCheckResult self_check(BpfSensor& sensor, EventSink& downstream,
                           std::chrono::milliseconds deadline);

}  // namespace picket
