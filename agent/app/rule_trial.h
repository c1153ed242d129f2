// Rules on trial: those of a set that is handed out in shadow which are new or other than what is
// in force. What is as it was goes on acting. Pure functions, any thread. Nothing fails.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/detect/rule/rule_files.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

// Names of the rules of `now` that mean something else than the one of that name in `before`, with
// lists and macros expanded, or are not there.
std::vector<std::string> changed_rules(const RuleSet& before, const RuleSet& now);

// Behind the others, it makes these only report.
RuleFile trial_file(std::span<const std::string> rules);

}  // namespace picket
