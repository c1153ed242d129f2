// `required_engine_version` and `required_plugin_versions`: whether this engine speaks the language
// that a rule file is written in. Pure but for the report. Errors: added to the report with file,
// line and column.
#pragma once

#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

void check_engine_version(YamlItem& item);
void check_plugin_versions(YamlItem& item, LoadReport& report);

}  // namespace picket::rule
