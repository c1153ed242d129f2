// A finding as the alert of the wire: for the agent, and for picketctl, whose replay prints the
// alert that would have come. Pure functions, any thread; nothing fails. There is no node: the
// collector gives alerts theirs. The id is the finding's merge_id; the agent makes it unique over
// nodes.
#pragma once

#include <cstdint>

#include "agent/detect/finding.h"
#include "picket/v1/alert.pb.h"

namespace picket {

void fill(v1::Workspace& out, const Workspace& workspace);
v1::Alert alert_of(const Finding& finding, uint64_t wall_minus_boot_ns);

}  // namespace picket
