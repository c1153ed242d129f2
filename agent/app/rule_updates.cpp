#include "agent/app/rule_updates.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "common/alert_json.h"
#include "common/utf8.h"

namespace picket {
namespace {

constexpr size_t kMaxError = 4096;  // of a broken set's lines

std::string words(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

RuleUpdates::RuleUpdates(RuleSource::Options options, const Clock& clock, Doors doors)
    : clock_(clock),
      doors_(std::move(doors)),
      source_(options),
      watcher_(options.paths, [this](RuleWatcher::Cause cause) { reload(cause); }) {}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleUpdates::first() {
  auto rules = source_.first();
  answered_ = source_.in_force().bundle_id;
  return rules;
}

absl::Status RuleUpdates::start() {
  tell("", source_.refused());
  return watcher_.start();
}

void RuleUpdates::offer(OfferedRules rules) {
  {
    const std::lock_guard lock(mutex_);
    offered_ = std::move(rules);
  }
  watcher_.offer();
}

std::string RuleUpdates::answered_bundle() const {
  const std::lock_guard lock(mutex_);
  return answered_;
}

void RuleUpdates::reload(RuleWatcher::Cause cause) {
  cause == RuleWatcher::Cause::offered ? take_offer() : reread(cause);
}

void RuleUpdates::reread(RuleWatcher::Cause cause) {
  const bool requested = cause == RuleWatcher::Cause::requested;
  const RuleSource::Origin before = source_.in_force();
  const auto rules = source_.again(requested);
  if (!rules.ok()) {
    SPDLOG_ERROR("the rules were not reloaded, the active ones stay: {}", words(rules.status()));
    doors_.post(RefusedRules{words(rules.status())});
    return;
  }
  if (!requested && !before.bundle_id.empty())
    SPDLOG_WARN("rule files changed; the collector's bundle {} is in force, not they",
                before.serial);
  if (*rules == nullptr) return;
  if (!doors_.post(NewRules{*rules})) {
    SPDLOG_ERROR("the rules were not reloaded: too many messages wait; ask again");
    return;
  }
  const absl::Status kept = source_.keep();
  if (source_.in_force().bundle_id != before.bundle_id) tell("", words(kept));
}

absl::Status RuleUpdates::put_in_force(const OfferedRules& offered) {
  const auto rules = source_.offered(offered.bundle);
  if (!rules.ok()) return rules.status();
  if (*rules == nullptr) return absl::OkStatus();
  if (!doors_.post(NewRules{*rules}))
    return absl::ResourceExhaustedError(
        "take the collector's rules: too many messages wait in the agent");
  absl::Status kept = source_.keep();
  SPDLOG_INFO("the collector's rules with serial {} are in force", source_.in_force().serial);
  return kept;
}

void RuleUpdates::take_offer() {
  std::optional<OfferedRules> offered;
  {
    const std::lock_guard lock(mutex_);
    offered = std::exchange(offered_, std::nullopt);
  }
  if (!offered) return;
  const absl::Status taken = put_in_force(*offered);
  const bool in_force = source_.in_force().bundle_id == offered->bundle_id;
  if (!in_force) {
    SPDLOG_ERROR("the collector's rules were refused, the active ones stay: {}", words(taken));
    doors_.post(RefusedRules{words(taken)});
  }
  {
    // What could not be judged for want of room may come again.
    const std::lock_guard lock(mutex_);
    if (in_force || !absl::IsResourceExhausted(taken)) answered_ = offered->bundle_id;
  }
  tell(in_force ? "" : offered->bundle_id, words(taken));
}

void RuleUpdates::tell(const std::string& refused_id, std::string_view error) {
  if (!doors_.publish) return;
  v1::Envelope envelope;
  v1::NodeRules& rules = *envelope.mutable_rules();
  rules.set_bundle_id(source_.in_force().bundle_id);
  rules.set_serial(source_.in_force().serial);
  rules.set_refused_id(refused_id);
  rules.set_error(to_utf8(error.substr(0, kMaxError)));
  set_wall_ns(*rules.mutable_since(), clock_.wall_ns());
  doors_.publish(std::move(envelope));
}

}  // namespace picket
