// What the nodes shall have: versions of the rules, which of them goes to whom, and waivers; kept
// in the store, offered to every node that is connected, and to each that connects later. The
// collector has no key: it hands on what an operator signed, and the agents judge it. State changes
// on the writer's thread only; of several collectors on one database each follows what another has
// kept. publish() and change() block and belong to a worker; refuse() too; refresh() blocks, too;
// on_hello() and told() belong to the writer's thread, the rest to any. Errors: refusals in words,
// and in the audit log.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/fleet/node_registry.h"
#include "collector/fleet/rollout.h"
#include "collector/store/store.h"
#include "collector/store/writer.h"
#include "common/clock.h"

namespace picket {

struct PolicyPublished {
  std::string actor;  // the caller's SPIFFE id
  std::string reason;
  std::string bundle;       // serialized
  std::string source = {};  // the caller's address
};

struct PolicyChange {
  std::string actor;
  v1::ChangePolicyRequest request;
  std::string source = {};
};

class PolicyDistribution {
 public:
  // What a node that connects does not have yet; both may be empty.
  struct Offer {
    std::shared_ptr<const RuleBundle> bundle;
    bool shadow = false;
    std::shared_ptr<const v1::WaiverSet> waivers;
  };

  PolicyDistribution(Writer& writer, NodeRegistry& nodes, const Clock& clock)
      : writer_(writer), nodes_(nodes), clock_(clock) {}

  // Reads what an earlier run kept. Before agents come; the writer runs already.
  absl::Status start(const Store& store);

  // Audited and kept as a version.
  absl::StatusOr<v1::PublishPolicyResponse> publish(PolicyPublished published);
  // Audited, kept, then offered to whom it concerns.
  absl::StatusOr<v1::ChangePolicyResponse> change(const PolicyChange& change);
  // Who may not, or whose bundle did not arrive: only audited.
  void refuse(const PolicyPublished& published, const absl::Status& why);
  void refuse(const PolicyChange& change, const absl::Status& why);

  // Another collector may have changed it: what is new is offered here, too.
  void refresh();

  // `has`: what the node said of its rules last, to whichever collector.
  Offer on_hello(const std::string& node, const v1::Hello& hello, const v1::NodeRules& has);
  // What became of an offer; may halt the rollout.
  void told(const std::string& node, const v1::NodeRules& rules);

  // Policy, waivers' id, and of each of these nodes what it shall have.
  void describe(const std::vector<v1::Node>& nodes, v1::GetPolicyResponse& response) const;

 private:
  // A policy that is worked on, with the bundles that it names; in force once it is kept.
  struct State {
    v1::FleetPolicy policy;
    std::shared_ptr<const RuleBundle> fallback, target;
    std::shared_ptr<const v1::WaiverSet> waivers = std::make_shared<v1::WaiverSet>();
  };

  State state() const;
  absl::Status load(StoreReader& reader, State& state) const;
  absl::Status read(StoreReader& reader, State& state) const;
  absl::Status edit(StoreReader& reader, const PolicyChange& change, State& next) const;
  absl::Status edit_rollout(StoreReader& reader, const PolicyChange& change, State& next) const;
  absl::Status carry_out(Store& store, const PolicyChange& change,
                         v1::ChangePolicyResponse& response);
  absl::Status keep(Store& store, const RuleBundle& bundle, const std::string& source,
                    v1::PublishPolicyResponse& response);
  absl::Status drop_old(Store& store) const;
  uint32_t offer_rollout();
  uint32_t offer_waivers();
  void audit_refusal(v1::AuditEntry entry);
  absl::Status keep_halt(Store& store, const v1::Rollout& halted);

  Writer& writer_;
  NodeRegistry& nodes_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  State state_;                               // behind mutex_
  std::map<std::string, NodeLabels> labels_;  // behind mutex_; of every node that was here
};

}  // namespace picket
