// Keeps a running agent's rules up to date: files that change, SIGHUP, bundles and waivers that the
// collector offers; each way leads to the same reload, between two events of the pipeline. Tells
// the collector what became of what it offered. first() and start() belong to main; offer(),
// request() and introduce() to any thread; the rest happens on the watcher's. Errors: a set that is
// refused is logged, becomes a finding, and the active one stays.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/app/mail.h"
#include "agent/app/rule_source.h"
#include "agent/app/rule_watcher.h"
#include "agent/uplink/outbox.h"
#include "common/clock.h"

namespace picket {

class RuleUpdates {
 public:
  struct Doors {
    std::function<bool(Mail)> post;             // to the pipeline; false: no room
    std::function<void(v1::Envelope)> publish;  // to the collector; empty: there is none
  };

  RuleUpdates(RuleSource::Options options, const Clock& clock, Doors doors);

  // Before the pipeline exists: its first rules.
  absl::StatusOr<std::shared_ptr<const RuleSet>> first();
  const std::string& refused() const { return source_.refused(); }
  absl::Status start();
  void stop() { watcher_.stop(); }

  void request() { watcher_.request(); }
  // A newer one takes the place of one that still waits.
  void offer(OfferedRules rules);
  void offer(v1::WaiverSet waivers);
  // What the collector was told the fate of, or will be: it need not come again.
  void introduce(v1::Hello& hello) const;

 private:
  void reload(RuleWatcher::Cause cause);
  void reread(RuleWatcher::Cause cause);
  void take_rules(const OfferedRules& offered);
  absl::Status put_in_force(const OfferedRules& offered);
  void take_waivers(const v1::WaiverSet& offered);
  void tell();

  const Clock& clock_;
  const Doors doors_;
  RuleSource source_;
  std::string refused_id_, error_;  // as told
  mutable std::mutex mutex_;
  // Behind the mutex.
  std::optional<OfferedRules> offered_;
  std::optional<v1::WaiverSet> offered_waivers_;
  std::string answered_, answered_waivers_;
  bool answered_shadow_ = false;
  RuleWatcher watcher_;  // last: its thread uses the rest
};

}  // namespace picket
