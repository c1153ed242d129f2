// Which node shall have which version of the rules, and what ends a rollout. Pure functions, any
// thread. Errors: as Status, in words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "picket/v1/rules.pb.h"

namespace picket {

using NodeLabels = google::protobuf::Map<std::string, std::string>;

struct WantedRules {
  std::string bundle_id;  // empty: its own files
  bool shadow = false;
  friend bool operator==(const WantedRules&, const WantedRules&) = default;
};

// 0 to 99, for ever the same for a node: a larger percentage selects whom the smaller one did.
unsigned rollout_place(std::string_view node);
bool selects(const v1::Rollout& rollout, const std::string& node, const NodeLabels& labels);

// `fallback_serial`: of the bundle of the nodes that the rollout does not select. Nobody is asked
// to go back to an older one than he has: agents refuse that.
WantedRules wanted_rules(const v1::FleetPolicy& policy, uint64_t fallback_serial,
                         const std::string& node, const NodeLabels& labels,
                         const v1::NodeRules& has);

// In place of the one before; if that one reached every node, its bundle is from now on that of
// the nodes that are not selected.
void begin_rollout(v1::FleetPolicy& policy, v1::Rollout next);

// Why the rollout goes no further, after what a node said; empty: it does.
std::string failure_of(const v1::Rollout& rollout, const std::string& node,
                       const v1::NodeRules& said);

// By serial or by an unambiguous prefix of the id. NotFound, InvalidArgument.
absl::StatusOr<v1::RuleBundleInfo> find_version(std::span<const v1::RuleBundleInfo> versions,
                                                const std::string& asked);

}  // namespace picket
