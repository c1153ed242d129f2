// Where the pipeline's results go: the uplink, or JSON lines on standard output. publish() is
// called by the pipeline thread and by the canary's, judged_until() by the pipeline's only. Errors:
// a refused envelope is counted by the outlet and reported as a loss by whoever refused it.
#pragma once

#include "agent/detect/finding.h"
#include "picket/v1/agent.pb.h"

namespace picket {

struct Outlet {
  virtual ~Outlet() = default;
  virtual void publish(v1::Envelope envelope, Priority severity) = 0;
  // All that happened before `boot_ns` (CLOCK_BOOTTIME) was judged, and what came of it published.
  virtual void judged_until(uint64_t boot_ns) = 0;
};

}  // namespace picket
