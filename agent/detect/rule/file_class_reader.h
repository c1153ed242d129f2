// One class of files, as a rule file says it: `- file_class: NAME`. Used while definitions are
// read. Errors: added to the report of `item`; a class with one is left out.
#pragma once

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

void read_file_class(YamlItem& item, Definitions& definitions);

}  // namespace picket::rule
