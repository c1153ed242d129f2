// What the operators' calls work with. Put together once by app, outlives every call; each part
// says itself from which threads it may be used. Nothing here fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "collector/auth/access.h"
#include "collector/auth/refusals.h"
#include "collector/fleet/commands.h"
#include "collector/fleet/node_registry.h"
#include "collector/fleet/policy_distribution.h"
#include "collector/query/alert_feed.h"
#include "collector/query/audit_trail.h"
#include "collector/query/worker_pool.h"
#include "collector/store/store.h"
#include "common/clock.h"
#include "common/tls_refusals.h"

namespace picket {

struct QueryContext {
  const Store& store;
  AlertFeed& feed;
  WorkerPool& workers;
  const AuditTrail& trail;
  Commands& commands;
  PolicyDistribution& policy;
  const NodeRegistry& nodes;
  Refusals& refusals;
  const RefusalCounts& refused_peers;
  const Clock& clock;
  std::string trust_domain;
  std::string cluster;  // which one this collector is of
  Scopes scopes;
  std::string audit_key;  // public, PEM
  std::string version;
  uint64_t started_ns = 0;
  std::function<std::vector<v1::OutputHealth>()> outputs = {};
};

}  // namespace picket
