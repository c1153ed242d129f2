// The smallest program that runs and ends with success, in memory: the agent's container may hold
// no other. Errors: an invalid descriptor where the machine forbids programs in memory.
#pragma once

#include "agent/sensor/probes.h"

namespace picket {

FileDescriptor smallest_program();

}  // namespace picket
