// One event with the process that caused it and the workspace it happened in: what detectors see.
// Valid during the call that passes it.
#pragma once

#include "agent/enrich/process.h"
#include "agent/enrich/workspace.h"
#include "agent/event/event.h"

namespace picket {

struct Observation {
  const Event& event;
  const Process& process;
  const Workspace& workspace;
};

}  // namespace picket
