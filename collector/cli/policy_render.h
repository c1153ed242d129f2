// Versions, rollouts and waivers as picketctl shows them: JSON of `-o json`, and texts for people.
// Pure functions; nothing fails.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "picket/v1/operator.pb.h"

namespace picket {

// What became of what the node shall have: "in force", "on trial", "refused" (also when that halted
// the rollout), "waiting", "own rules" where nothing else is asked of it.
std::string_view rules_state(const v1::PolicyNode& node, const v1::FleetPolicy& policy);

nlohmann::ordered_json published_object(const v1::PublishPolicyResponse& response);
nlohmann::ordered_json changed_object(const v1::ChangePolicyResponse& response);
nlohmann::ordered_json version_object(const v1::RuleBundleInfo& version,
                                      const v1::GetPolicyResponse& policy);
nlohmann::ordered_json policy_node_object(const v1::PolicyNode& node,
                                          const v1::GetPolicyResponse& policy);
nlohmann::ordered_json waiver_object(const v1::KeptWaiver& kept, uint64_t now_ns);

std::string version_text(const v1::RuleBundleInfo& version, const v1::GetPolicyResponse& policy);
std::string rollout_text(const v1::GetPolicyResponse& policy);
std::string policy_node_text(const v1::PolicyNode& node, const v1::GetPolicyResponse& policy);
std::string waiver_text(const v1::KeptWaiver& kept, uint64_t now_ns);

}  // namespace picket
