// What other threads tell the pipeline. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "agent/app/audit_event.h"
#include "agent/app/families.h"
#include "agent/app/program_hashes.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/enrich/workspace.h"
#include "agent/respond/verdict.h"
#include "picket/v1/fleet.pb.h"

namespace picket {

struct IdentityAnswer {
  uint64_t cgroup_id = 0;
  absl::StatusOr<Workspace> identity;
  bool frozen = false;  // as the kernel said when it was asked for
};
struct NewRules {
  std::shared_ptr<const RuleSet> rules;
};
// A set that was not taken: the active one stays.
struct RefusedRules {
  std::string why;
};
// Envelopes that were lost on their way to the collector.
struct DeliveryLoss {
  uint64_t count = 0;  // 0: not known
  std::string where;
  uint64_t first_sequence = 0, last_sequence = 0;  // 0: of a damaged spool
  uint64_t from_ns = 0, to_ns = 0;                 // CLOCK_BOOTTIME: published in between
};
using Mail = std::variant<IdentityAnswer, v1::Command, Response, NewRules, RefusedRules,
                          DeliveryLoss, FamilyQuestion, ApiAccess, ProgramHash>;

}  // namespace picket
