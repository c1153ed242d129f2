// A finding of a replay as the alert it would have become at the collector, so that both are
// printed alike. Pure functions, any thread; nothing fails. There is no node: the collector gives
// alerts theirs.
#pragma once

#include <cstdint>

#include "agent/detect/finding.h"
#include "picket/v1/alert.pb.h"

namespace picket {

v1::Alert alert_of(const Finding& finding, uint64_t wall_minus_boot_ns);

}  // namespace picket
