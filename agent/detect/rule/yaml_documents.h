// The documents of a YAML file, all of it or nothing: the library takes text behind a broken line
// for another document, without end, or leaves it out silently. One thread. Errors: added to the
// report with their place; no exception of the library gets out.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>

#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/source_text.h"

namespace picket::rule {

void for_each_document(const SourceFile& file, LoadReport& report,
                       const std::function<void(const YAML::Node&)>& read);

}  // namespace picket::rule
