// Reads an `agent_files` policy: what the subtree of an AI agent may do with files. It becomes a
// rule, agent_files.NAME, that holds for every credential read, place written and start-up file
// edited that the policy does not allow. Lives while its mapping is read, one thread. Errors: added
// to the report with file, line and column; then there is no answer.
#pragma once

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

// The keys that it shares with rules are read by the caller into `rule`.
bool read_agent_files(YamlItem& item, RuleDefinition& rule);

}  // namespace picket::rule
