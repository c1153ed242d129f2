// Rule sets of any size: ten rules (ten_rules.yaml), those that Picket ships, the file with every
// construct of Falco's rules, Falco's own where PICKET_UPSTREAM_RULES says where they are, and as
// many generated ones of their shapes as are missing. Errors: a Status with the loader's words.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/detect/rule/rule_set.h"

namespace picket::bench {

absl::StatusOr<std::vector<RuleFile>> rule_files(size_t count);
absl::StatusOr<std::shared_ptr<const RuleSet>> rule_set(const std::vector<RuleFile>& files);

}  // namespace picket::bench
