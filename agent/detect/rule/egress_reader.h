// Reads an `egress` policy: to where processes of some workspaces may connect. It becomes a rule,
// egress.NAME, that holds for every connection that none of its entries allows: so it is scoped,
// waived, tested, reloaded and merged as all rules are. Lives while its mapping is read, one
// thread. Errors: added to the report with file, line and column; then there is no answer.
#pragma once

#include <optional>

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

// The keys that it shares with rules are read by the caller into `rule`.
bool read_egress(YamlItem& item, LoadReport& report, RuleDefinition& rule);

}  // namespace picket::rule
