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
  answered_shadow_ = source_.in_force().shadow;
  answered_waivers_ = source_.waivers().set_id;
  return rules;
}

absl::Status RuleUpdates::start() {
  error_ = source_.refused();
  tell();
  return watcher_.start();
}

void RuleUpdates::offer(OfferedRules rules) {
  {
    const std::lock_guard lock(mutex_);
    offered_ = std::move(rules);
  }
  watcher_.offer();
}

void RuleUpdates::offer(v1::WaiverSet waivers) {
  {
    const std::lock_guard lock(mutex_);
    offered_waivers_ = std::move(waivers);
  }
  watcher_.offer();
}

void RuleUpdates::introduce(v1::Hello& hello) const {
  const std::lock_guard lock(mutex_);
  hello.set_rules_bundle(answered_);
  hello.set_rules_shadow(answered_shadow_);
  hello.set_waivers(answered_waivers_);
}

void RuleUpdates::reload(RuleWatcher::Cause cause) {
  if (cause != RuleWatcher::Cause::offered) return reread(cause);
  std::optional<OfferedRules> rules;
  std::optional<v1::WaiverSet> waivers;
  {
    const std::lock_guard lock(mutex_);
    rules = std::exchange(offered_, std::nullopt);
    waivers = std::exchange(offered_waivers_, std::nullopt);
  }
  if (rules) take_rules(*rules);
  if (waivers) take_waivers(*waivers);
}

void RuleUpdates::reread(RuleWatcher::Cause cause) {
  const bool requested = cause == RuleWatcher::Cause::requested;
  const RuleSource::Origin before = source_.in_force();
  const RuleSource::WaiversInForce waivers_before = source_.waivers();
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
  if (source_.in_force().bundle_id != before.bundle_id) {
    refused_id_.clear();
    error_ = words(kept);
  } else if (source_.waivers() == waivers_before) {
    return;
  }
  tell();
}

absl::Status RuleUpdates::put_in_force(const OfferedRules& offered) {
  const auto rules = source_.offered(offered.bundle, offered.shadow);
  if (!rules.ok()) return rules.status();
  if (*rules == nullptr) return absl::OkStatus();
  if (!doors_.post(NewRules{*rules}))
    return absl::ResourceExhaustedError(
        "take the collector's rules: too many messages wait in the agent");
  absl::Status kept = source_.keep();
  SPDLOG_INFO("the collector's rules with serial {} are in force{}", source_.in_force().serial,
              offered.shadow ? ", what is new of them on trial" : "");
  return kept;
}

void RuleUpdates::take_rules(const OfferedRules& offered) {
  const absl::Status taken = put_in_force(offered);
  const RuleSource::Origin& now = source_.in_force();
  const bool in_force = now.bundle_id == offered.bundle_id && now.shadow == offered.shadow;
  if (!in_force) {
    SPDLOG_ERROR("the collector's rules were refused, the active ones stay: {}", words(taken));
    doors_.post(RefusedRules{words(taken)});
  }
  {
    // What could not be judged for want of room may come again.
    const std::lock_guard lock(mutex_);
    if (in_force || !absl::IsResourceExhausted(taken)) {
      answered_ = offered.bundle_id;
      answered_shadow_ = offered.shadow;
    }
  }
  refused_id_ = in_force ? "" : offered.bundle_id;
  error_ = words(taken);
  tell();
}

void RuleUpdates::take_waivers(const v1::WaiverSet& offered) {
  const auto rules = source_.offered(offered);
  const bool posted = rules.ok() && doors_.post(NewRules{*rules});
  const std::string& error = source_.waivers().error;
  if (!posted) {
    SPDLOG_ERROR("the collector's waivers were not taken: {}",
                 rules.ok() ? "too many messages wait in the agent" : words(rules.status()));
    return;
  }
  if (!error.empty()) doors_.post(RefusedRules{error});
  SPDLOG_INFO("{} of {} waivers of the collector are in force", source_.waivers().count,
              offered.waivers_size());
  {
    const std::lock_guard lock(mutex_);
    answered_waivers_ = offered.set_id();
  }
  tell();
}

void RuleUpdates::tell() {
  if (!doors_.publish) return;
  v1::Envelope envelope;
  v1::NodeRules& rules = *envelope.mutable_rules();
  rules.set_bundle_id(source_.in_force().bundle_id);
  rules.set_serial(source_.in_force().serial);
  rules.set_shadow(source_.in_force().shadow);
  rules.set_refused_id(refused_id_);
  rules.set_error(to_utf8(std::string_view(error_).substr(0, kMaxError)));
  rules.set_waivers_id(source_.waivers().set_id);
  rules.set_waivers(static_cast<uint32_t>(source_.waivers().count));
  rules.set_waivers_error(to_utf8(std::string_view(source_.waivers().error).substr(0, kMaxError)));
  set_wall_ns(*rules.mutable_since(), clock_.wall_ns());
  doors_.publish(std::move(envelope));
}

}  // namespace picket
