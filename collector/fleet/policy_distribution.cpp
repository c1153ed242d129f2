#include "collector/fleet/policy_distribution.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "collector/fleet/policy_audit.h"
#include "collector/fleet/policy_waivers.h"
#include "common/alert_json.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"

namespace picket {
namespace {

constexpr size_t kVersions = 32;  // that are kept, beside those that nodes shall have
constexpr uint32_t kEveryNode = 100;
constexpr int kTries = 3;                     // while another collector changes the policy, too
constexpr const char* kItself = "collector";  // who halts a rollout, in the audit log

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

// What every agent would refuse is told at once; whether the signature is good only they can say.
absl::StatusOr<RuleBundle> read_bundle(const PolicyPublished& published, uint64_t now_ns) {
  if (absl::Status status = check_policy_reason(published.reason); !status.ok()) return status;
  v1::RuleBundle message;
  if (!message.ParseFromString(published.bundle) || message.files().empty())
    return absl::InvalidArgumentError("what was published is no bundle of rules");
  const auto serial = rule_signature_serial(message.signature());
  if (!serial.ok()) return serial.status();
  RuleBundle bundle;
  bundle.info.set_bundle_id(rule_bundle_id(message.signature()));
  bundle.info.set_serial(*serial);
  bundle.info.set_size(published.bundle.size());
  bundle.info.set_files(static_cast<uint32_t>(message.files_size()));
  bundle.info.set_pushed_by(published.actor);
  bundle.info.set_reason(published.reason);
  set_wall_ns(*bundle.info.mutable_pushed(), now_ns);
  bundle.bytes = published.bundle;
  return bundle;
}

uint64_t serial_of(const std::shared_ptr<const RuleBundle>& bundle) {
  return bundle ? bundle->info.serial() : 0;
}

absl::StatusOr<std::shared_ptr<const RuleBundle>> read_version(StoreReader& reader,
                                                               const std::string& bundle_id) {
  if (bundle_id.empty()) return std::shared_ptr<const RuleBundle>();
  auto bundle = reader.bundle(bundle_id);
  if (!bundle.ok()) return bundle.status();
  return std::make_shared<const RuleBundle>(*std::move(bundle));
}

// A serial is worth something once an agent took it: a bundle with a bad signature and a high one
// must not be in the way of good ones.
absl::Status check_serials(StoreReader& reader, const v1::Rollout& rollout,
                           const v1::RuleBundleInfo& info) {
  const auto nodes = reader.nodes(0);
  if (!nodes.ok()) return nodes.status();
  for (const v1::Node& node : *nodes) {
    const v1::NodeRules& has = node.rules();
    if (has.bundle_id().empty() || has.bundle_id() == info.bundle_id()) continue;
    if (info.serial() > has.serial() || !selects(rollout, node.node(), node.labels())) continue;
    return absl::FailedPreconditionError(
        fmt::format("serial {} is not above {}, which is in force on {}; to go back to old rules, "
                    "sign them anew",
                    info.serial(), has.serial(), node.node()));
  }
  return absl::OkStatus();
}

// Whether nodes may have to be offered something else than before.
bool is_other(const v1::Rollout& rollout, const v1::Rollout& before) {
  return rollout.bundle_id() != before.bundle_id() ||
         wall_ns(rollout.started()) != wall_ns(before.started());
}

}  // namespace

absl::Status PolicyDistribution::load(StoreReader& reader, State& state) const {
  auto fallback = read_version(reader, state.policy.bundle_id());
  if (!fallback.ok()) return fallback.status();
  auto target = read_version(reader, state.policy.rollout().bundle_id());
  if (!target.ok()) return target.status();
  state.fallback = *std::move(fallback);
  state.target = *std::move(target);
  state.waivers = waivers_of(state.policy);
  return absl::OkStatus();
}

absl::Status PolicyDistribution::read(StoreReader& reader, State& state) const {
  auto policy = reader.policy();
  if (policy.ok()) {
    state.policy = *std::move(policy);
  } else if (absl::IsNotFound(policy.status())) {
    // An older collector had one bundle, for every node.
    const auto versions = reader.bundles();
    if (!versions.ok()) return versions.status();
    if (!versions->empty()) state.policy.set_bundle_id(versions->back().bundle_id());
  } else {
    return policy.status();
  }
  return load(reader, state);
}

absl::Status PolicyDistribution::start(const Store& store) {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  State state;
  if (absl::Status status = read(**reader, state); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  return absl::OkStatus();
}

void PolicyDistribution::refresh() {
  bool other_rollout = false, other_waivers = false;
  const absl::Status status = writer_.run_and_wait([&](Store& store) -> absl::Status {
    const auto reader = store.reader();
    if (!reader.ok()) return reader.status();
    State kept;
    if (absl::Status found = read(**reader, kept); !found.ok()) return found;
    const std::lock_guard lock(mutex_);
    if (kept.policy.revision() == state_.policy.revision()) return absl::OkStatus();
    other_rollout = is_other(kept.policy.rollout(), state_.policy.rollout());
    other_waivers = kept.waivers->set_id() != state_.waivers->set_id();
    state_ = std::move(kept);
    return absl::OkStatus();
  });
  if (!status.ok()) spdlog::warn("the policy of the other collectors waits: {}", words(status));
  if (other_rollout) offer_rollout();
  if (other_waivers) offer_waivers();
}

PolicyDistribution::State PolicyDistribution::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

// No audit entry, no bundle. With the first one the policy is kept, too: from now on it is one of
// ours.
absl::Status PolicyDistribution::keep(Store& store, const RuleBundle& bundle,
                                      const std::string& source,
                                      v1::PublishPolicyResponse& response) {
  const v1::RuleBundleInfo& info = bundle.info;
  const auto entry =
      store.append_audit(policy_entry(info.pushed_by(), source, kPublishAction, version_words(info),
                                      info.reason(), "accepted: it is kept"));
  if (!entry.ok()) return entry.status();
  response.set_audit_id(std::to_string(entry->sequence()));
  absl::Status status = store.add_bundle(bundle);
  if (status.ok() && state().policy.revision() == 0) {
    v1::FleetPolicy first = state().policy;
    first.set_revision(1);
    status = store.set_policy(first);
    if (absl::IsAborted(status)) status = absl::OkStatus();  // another collector's first one
    const std::lock_guard lock(mutex_);
    if (status.ok()) state_.policy.set_revision(1);
  }
  if (status.ok()) status = drop_old(store);
  return status;
}

absl::Status PolicyDistribution::drop_old(Store& store) const {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  const auto versions = (*reader)->bundles();
  if (!versions.ok()) return versions.status();
  const auto policy = (*reader)->policy();
  if (!policy.ok()) return policy.status();
  size_t most = kVersions;
  for (auto version = versions->rbegin(); version != versions->rend(); ++version) {
    const std::string& id = version->bundle_id();
    if (id == policy->bundle_id() || id == policy->rollout().bundle_id()) continue;
    if (most > 0) {
      --most;
    } else if (absl::Status status = store.remove_bundle(id); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::PublishPolicyResponse> PolicyDistribution::publish(PolicyPublished published) {
  const auto bundle = read_bundle(published, clock_.wall_ns());
  v1::PublishPolicyResponse response;
  absl::Status status = bundle.status();
  if (status.ok()) {
    *response.mutable_bundle() = bundle->info;
    status = writer_.run_and_wait(
        [&](Store& store) { return keep(store, *bundle, published.source, response); });
  }
  if (status.ok()) return response;
  refuse(published, status);
  return status;
}

absl::Status PolicyDistribution::edit_rollout(StoreReader& reader, const PolicyChange& change,
                                              State& next) const {
  const v1::StartRollout& asked = change.request.rollout();
  if (asked.percent() == 0 || asked.percent() > kEveryNode)
    return absl::InvalidArgumentError("a rollout is for 1 to 100 percent of the nodes");
  const auto versions = reader.bundles();
  if (!versions.ok()) return versions.status();
  const auto version = find_version(*versions, asked.version());
  if (!version.ok()) return version.status();
  v1::Rollout rollout;
  rollout.set_bundle_id(version->bundle_id());
  rollout.set_percent(asked.percent());
  *rollout.mutable_labels() = asked.labels();
  rollout.set_shadow(asked.shadow());
  rollout.set_started_by(change.actor);
  rollout.set_reason(change.request.reason());
  set_wall_ns(*rollout.mutable_started(), clock_.wall_ns());
  begin_rollout(next.policy, std::move(rollout));
  absl::Status status = check_serials(reader, next.policy.rollout(), *version);
  if (!status.ok()) return status;
  return load(reader, next);
}

absl::Status PolicyDistribution::edit(StoreReader& reader, const PolicyChange& change,
                                      State& next) const {
  if (absl::Status status = check_policy_reason(change.request.reason()); !status.ok())
    return status;
  switch (change.request.change_case()) {
    case v1::ChangePolicyRequest::kRollout:
      return edit_rollout(reader, change, next);
    case v1::ChangePolicyRequest::kHalt: {
      v1::Rollout& rollout = *next.policy.mutable_rollout();
      if (rollout.bundle_id().empty() || !rollout.halted().empty())
        return absl::FailedPreconditionError("no rollout is under way");
      rollout.set_halted(fmt::format("{}: {}", change.actor, change.request.reason()));
      return absl::OkStatus();
    }
    case v1::ChangePolicyRequest::kAddWaiver:
    case v1::ChangePolicyRequest::kRemoveWaiver: {
      absl::Status status =
          edit_waivers(change.request, change.actor, clock_.wall_ns(), next.policy);
      next.waivers = waivers_of(next.policy);
      return status;
    }
    case v1::ChangePolicyRequest::CHANGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("the request has no change that this collector knows");
}

// On the writer's thread. No audit entry, no change.
absl::Status PolicyDistribution::carry_out(Store& store, const PolicyChange& change,
                                           v1::ChangePolicyResponse& response) {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  State next = state();
  const auto kept = (*reader)->policy();
  if (kept.ok() && kept->revision() != next.policy.revision())
    return absl::AbortedError("another collector has changed the policy");
  if (absl::Status status = edit(**reader, change, next); !status.ok()) return status;
  next.policy.set_revision(next.policy.revision() + 1);
  if (change.request.has_rollout()) *response.mutable_bundle() = next.target->info;
  const auto entry = store.append_audit(policy_entry(
      change.actor, change.source, policy_action(change.request),
      policy_object(change.request, response.bundle()), change.request.reason(), "accepted"));
  if (!entry.ok()) return entry.status();
  response.set_audit_id(std::to_string(entry->sequence()));
  if (absl::Status status = store.set_policy(next.policy); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  state_ = std::move(next);
  return absl::OkStatus();
}

absl::StatusOr<v1::ChangePolicyResponse> PolicyDistribution::change(const PolicyChange& change) {
  v1::ChangePolicyResponse response;
  absl::Status status = absl::AbortedError("");
  for (int tries = 0; absl::IsAborted(status) && tries < kTries; ++tries) {
    if (tries > 0) refresh();
    response.Clear();
    status = writer_.run_and_wait([&](Store& store) { return carry_out(store, change, response); });
  }
  if (!status.ok()) {
    refuse(change, status);
    return status;
  }
  const v1::ChangePolicyRequest& request = change.request;
  if (request.has_rollout()) response.set_nodes(offer_rollout());
  if (request.has_add_waiver() || request.has_remove_waiver()) response.set_nodes(offer_waivers());
  return response;
}

// Who connects from now on is offered it by its own stream. Who refused it before may take it now.
uint32_t PolicyDistribution::offer_rollout() {
  uint32_t offered = 0;
  for (const std::string& node : nodes_.connected()) {
    const auto link = nodes_.find(node);
    std::shared_ptr<const RuleBundle> target;
    bool shadow = false;
    {
      const std::lock_guard lock(mutex_);
      const v1::Rollout& rollout = state_.policy.rollout();
      if (!rollout.halted().empty() || !selects(rollout, node, labels_[node])) continue;
      target = state_.target;
      shadow = rollout.shadow();
    }
    if (!link) continue;
    link->offer(std::move(target), shadow);
    ++offered;
  }
  return offered;
}

uint32_t PolicyDistribution::offer_waivers() {
  const auto waivers = state().waivers;
  uint32_t offered = 0;
  for (const std::string& node : nodes_.connected()) {
    const auto link = nodes_.find(node);
    if (!link) continue;
    link->offer(waivers);
    ++offered;
  }
  return offered;
}

PolicyDistribution::Offer PolicyDistribution::on_hello(const std::string& node,
                                                       const v1::Hello& hello,
                                                       const v1::NodeRules& has) {
  const std::lock_guard lock(mutex_);
  labels_[node] = hello.labels();
  Offer offer;
  const WantedRules wanted =
      wanted_rules(state_.policy, serial_of(state_.fallback), node, hello.labels(), has);
  if (wanted != WantedRules{hello.rules_bundle(), hello.rules_shadow()}) {
    for (const auto& bundle : {state_.target, state_.fallback})
      if (bundle && bundle->info.bundle_id() == wanted.bundle_id) offer.bundle = bundle;
    offer.shadow = wanted.shadow;
  }
  if (hello.waivers() != state_.waivers->set_id()) offer.waivers = state_.waivers;
  return offer;
}

void PolicyDistribution::told(const std::string& node, const v1::NodeRules& rules) {
  v1::Rollout halted;
  {
    const std::lock_guard lock(mutex_);
    v1::Rollout& rollout = *state_.policy.mutable_rollout();
    if (!rollout.halted().empty()) return;
    rollout.set_halted(failure_of(rollout, node, rules));  // nobody is offered it from here on
    if (rollout.halted().empty()) return;
    halted = rollout;
  }
  spdlog::error("the rollout of {} is halted: {}", halted.bundle_id(), halted.halted());
  const auto keep = [this, halted](Store& store) {
    absl::Status status = absl::AbortedError("");
    for (int tries = 0; absl::IsAborted(status) && tries < kTries; ++tries)
      status = keep_halt(store, halted);
    if (!status.ok()) spdlog::error("that a rollout is halted was not kept: {}", words(status));
  };
  if (!writer_.run(keep))
    spdlog::error("that a rollout is halted found no room among the writes: {}", halted.halted());
}

// Of what is kept, which another collector may have changed; it may have halted it as well.
absl::Status PolicyDistribution::keep_halt(Store& store, const v1::Rollout& halted) {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  State next;
  if (absl::Status status = read(**reader, next); !status.ok()) return status;
  v1::Rollout& rollout = *next.policy.mutable_rollout();
  if (is_other(rollout, halted) || !rollout.halted().empty()) return absl::OkStatus();
  rollout.set_halted(halted.halted());
  next.policy.set_revision(next.policy.revision() + 1);
  absl::Status status = store.set_policy(next.policy);
  if (absl::IsAborted(status)) return status;
  const std::string object = next.target ? version_words(next.target->info) : rollout.bundle_id();
  const auto entry = store.append_audit(
      policy_entry(kItself, "", kHaltAction, object, "", "halted: " + halted.halted()));
  status.Update(entry.status());
  if (!status.ok()) return status;
  const std::lock_guard lock(mutex_);
  state_ = std::move(next);
  return status;
}

void PolicyDistribution::audit_refusal(v1::AuditEntry entry) {
  const std::string actor = entry.actor();
  const absl::Status status = writer_.run_and_wait(
      [&](Store& store) { return store.append_audit(std::move(entry)).status(); });
  if (!status.ok()) spdlog::error("a refusal of {} could not be audited: {}", actor, words(status));
}

void PolicyDistribution::refuse(const PolicyPublished& published, const absl::Status& why) {
  audit_refusal(policy_entry(published.actor, published.source, kPublishAction, "bundle",
                             published.reason, "refused: " + words(why)));
}

void PolicyDistribution::refuse(const PolicyChange& change, const absl::Status& why) {
  audit_refusal(policy_entry(change.actor, change.source, policy_action(change.request),
                             policy_object(change.request, {}), change.request.reason(),
                             "refused: " + words(why)));
}

void PolicyDistribution::describe(const std::vector<v1::Node>& nodes,
                                  v1::GetPolicyResponse& response) const {
  const std::lock_guard lock(mutex_);
  *response.mutable_policy() = state_.policy;
  response.set_waivers_id(state_.waivers->set_id());
  for (const v1::Node& node : nodes) {
    v1::PolicyNode& row = *response.add_nodes();
    *row.mutable_node() = node;
    const WantedRules wanted = wanted_rules(state_.policy, serial_of(state_.fallback), node.node(),
                                            node.labels(), node.rules());
    row.set_bundle_id(wanted.bundle_id);
    row.set_shadow(wanted.shadow);
  }
}

}  // namespace picket
