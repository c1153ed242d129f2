// Tells who has to know when the agent's canaries stop coming back, and when they come again: the
// readiness probe, the metrics, the log, and the collector by a finding and the node's state. The
// canary's thread: what keeps the pipeline from seeing must not keep this from being told. Errors:
// none of its own.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/app/canary.h"
#include "agent/detect/finding.h"
#include "common/clock.h"
#include "common/health_server.h"
#include "common/metrics.h"
#include "picket/v1/agent.pb.h"

namespace picket {

class SightReports {
 public:
  using Publish = std::function<void(v1::Envelope, Priority)>;
  // Everything outlives it.
  SightReports(HealthServer& health, const Clock& clock, MetricRegistry& registry,
               std::string boot_id, Publish publish);

  void tell(const Sight& now, const std::optional<Sight>& before);

 private:
  void tell_finding(const Sight& blind, uint64_t last_ns, bool over);
  void publish(v1::Envelope envelope, Priority priority);

  HealthServer& health_;
  const Clock& clock_;
  Gauge& sees_;
  const std::string boot_id_;
  const Publish publish_;
};

}  // namespace picket
