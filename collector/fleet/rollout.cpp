#include "collector/fleet/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "common/rule_signature.h"
#include "common/utf8.h"

namespace picket {
namespace {

constexpr unsigned kPlaces = 100;
constexpr size_t kHashDigits = 15;  // 60 bits: every place is as likely
constexpr size_t kMaxError = 1000;  // of what a node says

bool reaches_every_node(const v1::Rollout& rollout) {
  return !rollout.bundle_id().empty() && rollout.percent() >= kPlaces && rollout.labels().empty() &&
         !rollout.shadow() && rollout.halted().empty();
}

}  // namespace

unsigned rollout_place(std::string_view node) {
  const std::string digits = sha256_hex(node).substr(0, kHashDigits);
  uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return static_cast<unsigned>(number % kPlaces);
}

bool selects(const v1::Rollout& rollout, const std::string& node, const NodeLabels& labels) {
  const bool labelled = std::ranges::all_of(rollout.labels(), [&](const auto& label) {
    const auto has = labels.find(label.first);
    return has != labels.end() && has->second == label.second;
  });
  return labelled && !rollout.bundle_id().empty() && rollout_place(node) < rollout.percent();
}

WantedRules wanted_rules(const v1::FleetPolicy& policy, uint64_t fallback_serial,
                         const std::string& node, const NodeLabels& labels,
                         const v1::NodeRules& has) {
  const v1::Rollout& rollout = policy.rollout();
  if (rollout.halted().empty() && selects(rollout, node, labels))
    return {rollout.bundle_id(), rollout.shadow()};
  const bool newer = policy.bundle_id().empty() || has.serial() >= fallback_serial;
  if (!has.bundle_id().empty() && has.bundle_id() != policy.bundle_id() && newer)
    return {has.bundle_id(), has.shadow()};
  return {policy.bundle_id(), false};
}

void begin_rollout(v1::FleetPolicy& policy, v1::Rollout next) {
  const v1::Rollout& before = policy.rollout();
  if (before.bundle_id() != next.bundle_id() && reaches_every_node(before))
    policy.set_bundle_id(before.bundle_id());
  *policy.mutable_rollout() = std::move(next);
}

std::string failure_of(const v1::Rollout& rollout, const std::string& node,
                       const v1::NodeRules& said) {
  if (rollout.bundle_id().empty() || said.refused_id() != rollout.bundle_id()) return "";
  return fmt::format("{} refused it: {}", node,
                     to_utf8(std::string_view(said.error()).substr(0, kMaxError)));
}

absl::StatusOr<v1::RuleBundleInfo> find_version(std::span<const v1::RuleBundleInfo> versions,
                                                const std::string& asked) {
  std::vector<const v1::RuleBundleInfo*> by_serial, by_id;
  for (const v1::RuleBundleInfo& version : versions) {
    if (std::to_string(version.serial()) == asked) by_serial.push_back(&version);
    if (!asked.empty() && version.bundle_id().starts_with(asked)) by_id.push_back(&version);
  }
  // A serial may look like the beginning of an id.
  const auto& found = by_serial.empty() ? by_id : by_serial;
  if (found.empty()) return absl::NotFoundError(fmt::format("no version \"{}\"", asked));
  if (found.size() > 1)
    return absl::InvalidArgumentError(fmt::format("version \"{}\" is ambiguous: {} and {}", asked,
                                                  found[0]->bundle_id(), found[1]->bundle_id()));
  return *found.front();
}

}  // namespace picket
