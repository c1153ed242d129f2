// Exceptions of a rule, and those that a later definition adds to them. Pure but for the report.
// Errors: added to the report with file, line and column; an exception with an error is left out.
#pragma once

#include <vector>

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

std::vector<ExceptionDefinition> read_exceptions(YamlItem& item, LoadReport& report);

// Values for an exception that the rule has, by its name, or an exception more.
void append_exceptions(YamlItem& item, std::vector<ExceptionDefinition> more,
                       std::vector<ExceptionDefinition>& exceptions);

}  // namespace picket::rule
