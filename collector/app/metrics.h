// What is asked of the collector's parts when somebody looks at /metrics; what they count
// themselves is in the registry already. Nothing fails.
#pragma once

#include "collector/auth/refusals.h"
#include "collector/fleet/node_registry.h"
#include "collector/query/alert_feed.h"
#include "common/metrics.h"

namespace picket {

// Everything outlives the registry.
void add_collector_metrics(MetricRegistry& registry, const Refusals& refusals,
                           const NodeRegistry& nodes, const AlertFeed& feed);

}  // namespace picket
