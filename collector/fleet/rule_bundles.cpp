#include "collector/fleet/rule_bundles.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "common/alert_json.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"
#include "common/utf8.h"

namespace picket {
namespace {

constexpr const char* kAction = "rules.push";
constexpr size_t kMaxReason = 1000;

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

v1::AuditEntry entry_of(const std::string& actor, const std::string& source,
                        const std::string& object, const std::string& reason, std::string outcome) {
  v1::AuditEntry entry;
  entry.set_actor(actor);
  entry.set_source(source);
  entry.set_action(kAction);
  entry.set_object(object);
  entry.set_reason(to_utf8(std::string_view(reason).substr(0, kMaxReason)));
  entry.set_outcome(std::move(outcome));
  return entry;
}

std::string object_of(const v1::RuleBundleInfo& bundle) {
  return fmt::format("bundle {} serial {}", bundle.bundle_id(), bundle.serial());
}

}  // namespace

absl::Status RuleBundles::start(const Store& store) {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  auto kept = (*reader)->rules();
  if (absl::IsNotFound(kept.status())) return absl::OkStatus();
  if (!kept.ok()) return kept.status();
  const std::lock_guard lock(mutex_);
  current_ = std::make_shared<const RuleBundle>(*std::move(kept));
  return absl::OkStatus();
}

void RuleBundles::refresh(const Store& store) {
  const std::lock_guard one_at_a_time(pushing_);
  const auto reader = store.reader();
  if (!reader.ok()) return;
  auto kept = (*reader)->rules();
  if (!kept.ok()) return;
  const auto known = current();
  if (known && known->info.bundle_id() == kept->info.bundle_id()) return;
  offer(std::make_shared<const RuleBundle>(*std::move(kept)));
}

// To whom is here now; who connects from now on is offered it by its own stream.
uint32_t RuleBundles::offer(const std::shared_ptr<const RuleBundle>& bundle) {
  {
    const std::lock_guard lock(mutex_);
    current_ = bundle;
  }
  uint32_t offered = 0;
  for (const std::string& node : nodes_.connected()) {
    const auto link = nodes_.find(node);
    if (!link) continue;
    link->offer(bundle);
    ++offered;
  }
  return offered;
}

std::shared_ptr<const RuleBundle> RuleBundles::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

// What every agent would refuse is told at once; whether the signature is good only they can say.
absl::StatusOr<RuleBundle> RuleBundles::check(RulesPushed& pushed) const {
  if (pushed.reason.find_first_not_of(" \t\r\n") == std::string::npos)
    return absl::InvalidArgumentError("a reason is required: it goes into the audit log");
  if (pushed.reason.size() > kMaxReason)
    return absl::InvalidArgumentError(
        fmt::format("the reason is longer than {} bytes", kMaxReason));
  v1::RuleBundle message;
  if (!message.ParseFromString(pushed.bundle) || message.files().empty())
    return absl::InvalidArgumentError("what was pushed is no bundle of rules");
  const auto serial = rule_signature_serial(message.signature());
  if (!serial.ok()) return serial.status();
  RuleBundle bundle;
  bundle.info.set_bundle_id(rule_bundle_id(message.signature()));
  bundle.info.set_serial(*serial);
  bundle.info.set_size(pushed.bundle.size());
  bundle.info.set_files(static_cast<uint32_t>(message.files_size()));
  bundle.info.set_pushed_by(pushed.actor);
  bundle.info.set_reason(pushed.reason);
  set_wall_ns(*bundle.info.mutable_pushed(), clock_.wall_ns());
  bundle.bytes = std::move(pushed.bundle);
  if (absl::Status status = check_serial(bundle.info); !status.ok()) return status;
  return bundle;
}

// A serial is worth something once an agent took it: a bundle with a bad signature and a high one
// must not be in the way of good ones.
absl::Status RuleBundles::check_serial(const v1::RuleBundleInfo& offered) const {
  std::vector<v1::Node> nodes;
  absl::Status read = writer_.run_and_wait([&](Store& store) -> absl::Status {
    auto reader = store.reader();
    if (!reader.ok()) return reader.status();
    auto known = (*reader)->nodes();
    if (!known.ok()) return known.status();
    nodes = *std::move(known);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  for (const v1::Node& node : nodes) {
    const v1::NodeRules& rules = node.rules();
    if (rules.bundle_id().empty() || rules.bundle_id() == offered.bundle_id()) continue;
    if (offered.serial() <= rules.serial())
      return absl::FailedPreconditionError(
          fmt::format("serial {} is not above {}, which is in force on {}; to go back to old "
                      "rules, sign them anew",
                      offered.serial(), rules.serial(), node.node()));
  }
  return absl::OkStatus();
}

// No audit entry, no bundle.
absl::Status RuleBundles::keep(const RuleBundle& bundle, const std::string& source,
                               v1::PushRulesResponse& response) {
  const v1::RuleBundleInfo& info = bundle.info;
  const std::string object = object_of(info);
  return writer_.run_and_wait([&](Store& store) -> absl::Status {
    const auto entry = store.append_audit(entry_of(info.pushed_by(), source, object, info.reason(),
                                                   "accepted: it is offered to the nodes"));
    if (!entry.ok()) return entry.status();
    response.set_audit_id(std::to_string(entry->sequence()));
    absl::Status kept = store.set_rules(bundle);
    if (kept.ok()) return kept;
    const auto undone = store.append_audit(
        entry_of(info.pushed_by(), source, object, info.reason(), "failed: " + words(kept)));
    return undone.ok() ? kept : undone.status();
  });
}

absl::StatusOr<v1::PushRulesResponse> RuleBundles::push(RulesPushed pushed) {
  const std::lock_guard one_at_a_time(pushing_);
  auto checked = check(pushed);
  if (!checked.ok()) {
    refuse(pushed, checked.status());
    return checked.status();
  }
  const auto bundle = std::make_shared<const RuleBundle>(*std::move(checked));
  v1::PushRulesResponse response;
  *response.mutable_bundle() = bundle->info;
  if (absl::Status status = keep(*bundle, pushed.source, response); !status.ok()) return status;
  response.set_nodes(offer(bundle));
  return response;
}

void RuleBundles::refuse(const RulesPushed& pushed, const absl::Status& why) {
  const absl::Status status = writer_.run_and_wait([&](Store& store) {
    return store
        .append_audit(entry_of(pushed.actor, pushed.source, "bundle", pushed.reason,
                               "refused: " + words(why)))
        .status();
  });
  if (!status.ok())
    spdlog::error("a refusal of {} could not be audited: {}", pushed.actor, words(status));
}

}  // namespace picket
