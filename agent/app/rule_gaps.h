// Rules that a kernel without some hook cannot keep: which events of theirs do not come, and what
// that means in words. Pure functions: any thread. Nothing fails; a complete kernel has no gaps.
#pragma once

#include <string>
#include <vector>

#include "agent/detect/rule/rule_set.h"
#include "agent/sensor/coverage.h"

namespace picket {

struct RuleGap {
  std::string rule;
  bool never_matches = false;         // none of its events has a hook left
  std::vector<CoverageLine> missing;  // of its events
};

// Of the rules that are enabled, in their order.
std::vector<RuleGap> rule_gaps(const Coverage& coverage, const RuleSet& rules);

// "rule a cannot match here: executed programs are not seen (tp_btf/sched_process_exec is refused)"
std::string words(const RuleGap& gap);

}  // namespace picket
