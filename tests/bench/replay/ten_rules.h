// The rules of ten_rules.yaml as somebody would write them in C++ who had only these ten: what the
// engine is measured against. Pure; answers how many match.
#pragma once

#include "agent/enrich/observation.h"

namespace picket::bench {

int ten_rules(const Observation& observation);

}  // namespace picket::bench
