// Reads a `scope`: in which workspaces, and below which agents, a rule or waiver holds. Lives while
// its mapping is read, one thread. Errors: added to the report with file, line and column.
#pragma once

#include <string>
#include <vector>

#include "agent/detect/rule/source_text.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

// One of the values, exactly or as a shell pattern, is asked of a field.
struct Selector {
  SourceText at;      // its key
  std::string field;  // as a condition names it: "workspace.label[team]"
  std::vector<SourceText> values;
};

using ScopeDefinition = std::vector<Selector>;  // all of them hold; empty: everywhere

// The item's key `scope`, which may be absent.
ScopeDefinition read_scope(YamlItem& item, LoadReport& report);

}  // namespace picket::rule
