#include "collector/fleet/policy_audit.h"

#include <fmt/format.h>

#include <map>

#include "common/utf8.h"

namespace picket {
namespace {

constexpr size_t kMaxReason = 1000;
constexpr size_t kMaxObject = 1000;
constexpr size_t kMaxOutcome = 2000;

std::string rollout_words(const v1::StartRollout& rollout, const std::string& version) {
  std::string text = fmt::format("{} to {} %", version, rollout.percent());
  const std::map<std::string, std::string> labels(rollout.labels().begin(), rollout.labels().end());
  for (const auto& [key, value] : labels) text += fmt::format(", {}={}", key, value);
  return rollout.shadow() ? text + ", on trial" : text;
}

std::string waiver_words(const v1::SignedWaiver& sent) {
  v1::Waiver waiver;
  if (!waiver.ParseFromString(sent.waiver())) return "waiver";
  std::string text = fmt::format("waiver {} of {} for", waiver.name(), waiver.owner());
  for (const std::string& rule : waiver.rules()) text += fmt::format(" {}", rule);
  return text;
}

}  // namespace

absl::Status check_policy_reason(std::string_view reason) {
  if (reason.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return absl::InvalidArgumentError("a reason is required: it goes into the audit log");
  if (reason.size() > kMaxReason)
    return absl::InvalidArgumentError(
        fmt::format("the reason is longer than {} bytes", kMaxReason));
  return absl::OkStatus();
}

v1::AuditEntry policy_entry(const std::string& actor, const std::string& source,
                            const std::string& action, const std::string& object,
                            std::string_view reason, const std::string& outcome) {
  v1::AuditEntry entry;
  entry.set_actor(actor);
  entry.set_source(source);
  entry.set_action(action);
  entry.set_object(to_utf8(std::string_view(object).substr(0, kMaxObject)));
  entry.set_reason(to_utf8(reason.substr(0, kMaxReason)));
  entry.set_outcome(to_utf8(std::string_view(outcome).substr(0, kMaxOutcome)));
  return entry;
}

std::string policy_action(const v1::ChangePolicyRequest& request) {
  switch (request.change_case()) {
    case v1::ChangePolicyRequest::kRollout:
      return "policy.rollout";
    case v1::ChangePolicyRequest::kHalt:
      return kHaltAction;
    case v1::ChangePolicyRequest::kAddWaiver:
      return "waivers.add";
    case v1::ChangePolicyRequest::kRemoveWaiver:
      return "waivers.remove";
    case v1::ChangePolicyRequest::CHANGE_NOT_SET:
      break;
  }
  return "policy.change";
}

std::string policy_object(const v1::ChangePolicyRequest& request,
                          const v1::RuleBundleInfo& version) {
  switch (request.change_case()) {
    case v1::ChangePolicyRequest::kRollout:
      return rollout_words(request.rollout(), version.bundle_id().empty()
                                                  ? "version " + request.rollout().version()
                                                  : version_words(version));
    case v1::ChangePolicyRequest::kAddWaiver:
      return waiver_words(request.add_waiver());
    case v1::ChangePolicyRequest::kRemoveWaiver:
      return "waiver " + request.remove_waiver();
    default:
      return "the rollout";
  }
}

std::string version_words(const v1::RuleBundleInfo& version) {
  return fmt::format("bundle {} serial {}", version.bundle_id(), version.serial());
}

}  // namespace picket
