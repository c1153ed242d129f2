// What other threads tell the pipeline. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "agent/app/families.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/enrich/workspace.h"
#include "agent/respond/verdict.h"
#include "picket/v1/fleet.pb.h"

namespace picket {

struct IdentityAnswer {
  uint64_t cgroup_id = 0;
  absl::StatusOr<Workspace> identity;
};
struct NewRules {
  std::shared_ptr<const RuleSet> rules;
};
struct DeliveryLoss {
  uint64_t count = 0;
  std::string where;
};
using Mail =
    std::variant<IdentityAnswer, v1::Command, Response, NewRules, DeliveryLoss, FamilyQuestion>;

}  // namespace picket
