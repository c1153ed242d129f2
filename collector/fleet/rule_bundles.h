// The bundle of rules that the nodes shall have: kept in the store, offered to every node that is
// connected, and to each that connects later. The collector has no key: it hands on what an
// operator pushed, and the agents judge it. current() from any thread; push() blocks and belongs to
// a worker. Errors: refusals in words, and in the audit log.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "collector/fleet/node_registry.h"
#include "collector/store/store.h"
#include "collector/store/writer.h"
#include "common/clock.h"

namespace picket {

struct RulesPushed {
  std::string actor;  // the caller's SPIFFE id
  std::string reason;
  std::string bundle;       // serialized
  std::string source = {};  // the caller's address
};

class RuleBundles {
 public:
  RuleBundles(Writer& writer, NodeRegistry& nodes, const Clock& clock)
      : writer_(writer), nodes_(nodes), clock_(clock) {}

  // Reads the one that an earlier run kept. Before agents come.
  absl::Status start(const Store& store);
  // Another collector may have kept a newer one: it is offered here, too.
  void refresh(const Store& store);
  std::shared_ptr<const RuleBundle> current() const;  // nullptr: none was pushed

  // Audited, kept, then offered.
  absl::StatusOr<v1::PushRulesResponse> push(RulesPushed pushed);
  // Who may not, or whose bundle did not arrive: only audited.
  void refuse(const RulesPushed& pushed, const absl::Status& why);

 private:
  absl::StatusOr<RuleBundle> check(RulesPushed& pushed) const;
  uint32_t offer(const std::shared_ptr<const RuleBundle>& bundle);
  absl::Status check_serial(const v1::RuleBundleInfo& offered) const;
  absl::Status keep(const RuleBundle& bundle, const std::string& source,
                    v1::PushRulesResponse& response);

  Writer& writer_;
  NodeRegistry& nodes_;
  const Clock& clock_;
  std::mutex pushing_;  // one at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const RuleBundle> current_;  // behind mutex_
};

}  // namespace picket
