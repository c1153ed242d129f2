// How changes of the policy stand in the audit log. Pure functions, any thread. Errors:
// InvalidArgument, in words.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "picket/v1/operator.pb.h"

namespace picket {

inline constexpr const char* kPublishAction = "policy.publish";
inline constexpr const char* kHaltAction = "policy.halt";

// That there is one, and that it is not too long.
absl::Status check_policy_reason(std::string_view reason);

v1::AuditEntry policy_entry(const std::string& actor, const std::string& source,
                            const std::string& action, const std::string& object,
                            std::string_view reason, const std::string& outcome);

std::string policy_action(const v1::ChangePolicyRequest& request);
// `version`: of a rollout, once it is known.
std::string policy_object(const v1::ChangePolicyRequest& request,
                          const v1::RuleBundleInfo& version);
std::string version_words(const v1::RuleBundleInfo& version);

}  // namespace picket
