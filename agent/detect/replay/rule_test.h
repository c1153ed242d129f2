// Tests of rules as data: NAME.test.yaml beside NAME.yaml holds cases, each a few events and what
// they must give. The events become records and go through the real enricher and engine
// (docs/rules.md). Owner: one thread. Errors: a test file that cannot be read is reported with
// file, line and column; a rule that no case hits, or no case misses, fails.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/detect/detector.h"
#include "agent/detect/replay/test_case.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

struct RuleTestResult {
  std::string file;
  int line = 0;
  std::string name;     // of the case; of the rule where its tests are not complete
  std::string failure;  // empty: passed
};

struct RuleTestReport {
  LoadReport load;                      // of the rules
  std::vector<Diagnostic> errors;       // of the test files
  std::vector<RuleTestResult> results;  // in order of files and cases

  bool passed() const;
};

// Runs one case through rules; the answer is what went wrong, not what was found.
std::string run_case(const TestCase& test, std::shared_ptr<const RuleSet> rules,
                     FindingSink& findings);

// Paths as for load_named_rules(), and single NAME.test.yaml files, which stand for the NAME.yaml
// beside them.
RuleTestReport run_rule_tests(std::span<const std::filesystem::path> paths);

}  // namespace picket
