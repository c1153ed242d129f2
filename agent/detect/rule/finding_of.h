// What a rule claims about an event, without its output. Pure functions, pipeline thread; nothing
// fails.
#pragma once

#include "agent/detect/finding.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/enrich/observation.h"

namespace picket {

ProcessSummary summary(const Process& process);
Finding finding_of(const RuleInfo& rule, const Observation& observation);

}  // namespace picket
