// What a set of rules can match at all, as far as the kernel can tell before it makes a record.
// Whatever is not certain counts as asked for. Any thread. Nothing fails.
#pragma once

#include "agent/detect/rule/rule_set.h"
#include "agent/sensor/interest.h"

namespace picket {

Interest interest_of(const RuleSet& rules);

}  // namespace picket
