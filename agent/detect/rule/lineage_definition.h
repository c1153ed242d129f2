// One definition of who drives a process, as a rule file says it: `- lineage: NAME`. Used while
// definitions are read. Errors: added to the report of `item`; a definition with one is left out.
#pragma once

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

void read_lineage(YamlItem& item, LoadReport& report, Definitions& definitions);

}  // namespace picket::rule
