// The rules of a running agent: read at start and again on request. Any thread. Errors: what is
// wrong is logged line by line and answered in one sentence; also when there is no rule at all,
// because an agent without rules watches nothing and looks well.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

absl::StatusOr<std::shared_ptr<const RuleSet>> read_rules(
    std::span<const std::filesystem::path> paths);

}  // namespace picket
