// Evaluates a rule set on every event, once for whole rules and for the steps of sequences, whose
// state the tracker keeps. Owner: the pipeline thread. No allocation for an event that
// matches nothing, once each field has been read a first time. Errors: on_event() has none; a
// reload that fails leaves the active set as it is.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "agent/detect/detector.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/waivers.h"
#include "agent/detect/sequence/tracker.h"

namespace picket {

namespace rule {
class Evaluation;
}

class RuleDetector final : public Detector {
 public:
  explicit RuleDetector(std::shared_ptr<const RuleSet> rules, SequenceLimits limits = {});
  ~RuleDetector() override;

  std::span<const pk_type> wants()
      const override;  // every type: what is asked of one changes with a reload
  void on_event(const Observation& observation, FindingSink& sink) override;
  void on_tick(uint64_t event_time_ns, FindingSink& sink) override;

  const RuleSet& rules() const { return *rules_; }
  // Between two events. Open sequences go on.
  void replace(std::shared_ptr<const RuleSet> rules);
  SequenceTracker& sequences() { return sequences_; }
  Waivers& waivers() { return waivers_; }
  // Without it no waiver holds, and no event has a time of day.
  void set_wall_minus_boot_ns(uint64_t distance_ns);
  // Builds the new set beside the active one and replaces it only when every file is valid.
  absl::Status reload(std::span<const std::filesystem::path> paths, LoadReport& report);

 private:
  std::shared_ptr<const RuleSet> rules_;
  std::unique_ptr<rule::Evaluation> evaluation_;
  SequenceTracker sequences_;
  Waivers waivers_;
  std::optional<uint64_t> wall_minus_boot_ns_;
};

}  // namespace picket
