// Rules as tools look at them: a file that is named alone is loaded with the rule files beside it
// and in the folder `lists` there, whose lists, macros and classes of files it may use, as the
// agent loads their folder. Owner: one thread. Errors: as load_rules(); where all of them together
// have some, the file counts alone.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

struct NamedRules {
  std::shared_ptr<const RuleSet> rules;
  std::set<std::string> beside;  // names of those rules that are of no file that was named
};

// `paths` as for load_rules(). Notes are of the files that were named.
absl::StatusOr<NamedRules> load_named_rules(std::span<const std::filesystem::path> paths,
                                            LoadReport& report);

}  // namespace picket
