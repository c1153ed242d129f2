// The registry behind /metrics: what the parts count themselves, and what is asked of them when
// somebody looks. Safe from every thread. Nothing fails.
#pragma once

#include <prometheus/registry.h>

#include <vector>

#include "collector/auth/refusals.h"
#include "collector/fleet/node_registry.h"
#include "collector/query/alert_feed.h"
#include "common/tls_refusals.h"

namespace picket {

class CollectorMetrics final : public prometheus::Registry {
 public:
  CollectorMetrics(const Refusals& refusals, const RefusalCounts& refused_peers,
                   const NodeRegistry& nodes, const AlertFeed& feed)
      : refusals_(refusals), refused_peers_(refused_peers), nodes_(nodes), feed_(feed) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Refusals& refusals_;
  const RefusalCounts& refused_peers_;
  const NodeRegistry& nodes_;
  const AlertFeed& feed_;
};

}  // namespace picket
