// Which records must wake the agent at once: those that could match a rule with an answer that
// cannot wait, as far as the kernel can tell before it asks any rule. Decided once for a set of
// rules; whatever is not certain counts as urgent. Any thread. Nothing fails.
#pragma once

#include "agent/detect/rule/rule_set.h"
#include "agent/sensor/urgency.h"

namespace picket {

// A response is carried out, or a person is to look now.
bool is_urgent(const RuleInfo& rule);

// How workspaces begin and end is always urgent: a container that ends soon can be named only while
// it exists.
Urgency urgency_of(const RuleSet& rules);

}  // namespace picket
