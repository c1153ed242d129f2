// Evaluates a rule set on every event. Owner: the pipeline thread. No allocation for an event that
// matches nothing, once each field has been read a first time. Errors: on_event() has none; a
// reload that fails leaves the active set as it is.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "agent/detect/detector.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

namespace rule {
class Evaluation;
}

class RuleDetector final : public Detector {
 public:
  explicit RuleDetector(std::shared_ptr<const RuleSet> rules);
  ~RuleDetector() override;

  std::span<const pk_type> wants()
      const override;  // every type: what is asked of one changes with a reload
  void on_event(const Observation& observation, FindingSink& sink) override;

  const RuleSet& rules() const { return *rules_; }
  void replace(std::shared_ptr<const RuleSet> rules);  // between two events
  // Builds the new set beside the active one and replaces it only when every file is valid.
  absl::Status reload(std::span<const std::filesystem::path> paths, LoadReport& report);

 private:
  std::shared_ptr<const RuleSet> rules_;
  std::unique_ptr<rule::Evaluation> evaluation_;
};

}  // namespace picket
