// What is doubtful about a set of rules as a whole: rules that add nothing to others, rules that
// ask for different responses to the same thing, and responses that come too late to be carried
// out. Pure, for one load. Nothing fails: what is found is noted.
#pragma once

#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/program.h"

namespace picket::rule {

void note_doubtful_rules(const Program& program, LoadReport& report);

}  // namespace picket::rule
