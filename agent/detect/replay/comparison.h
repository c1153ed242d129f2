// What another set of rules would have alerted on: every case of the tests beside either set, and
// every recording below them, is run through both. One thread. Errors: what cannot be read is in
// the reports or in `failures`; the rest is compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "agent/detect/rule/load_report.h"

namespace picket {

struct AlertDifference {
  std::string file;  // test file or recording
  std::string test;  // name of the case; empty: a recording by itself
  std::string rule;
  uint64_t before = 0, now = 0;  // alerts
};

struct RuleComparison {
  LoadReport before, now;
  std::vector<std::string> failures;
  size_t compared = 0;  // cases and recordings
  std::vector<AlertDifference> differences;
};

// Paths as for load_named_rules().
RuleComparison compare_rules(std::span<const std::filesystem::path> before,
                             std::span<const std::filesystem::path> now);

}  // namespace picket
