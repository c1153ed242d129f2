// The rules as shipped: they load without a note, explain themselves, and pass the tests beside
// them.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "agent/detect/replay/rule_test.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {
namespace {

const std::array<std::filesystem::path, 1> kShipped{PICKET_SOURCE_DIR "/rules"};

TEST(RuleTests, EveryShippedRulePassesItsTests) {
  const RuleTestReport report = run_rule_tests(kShipped);
  EXPECT_EQ(report.load.error_text(), "");
  for (const Diagnostic& error : report.errors) ADD_FAILURE() << error.text();
  for (const RuleTestResult& result : report.results) {
    EXPECT_EQ(result.failure, "") << result.file << ":" << result.line << ": " << result.name;
  }
  EXPECT_TRUE(report.passed());
  EXPECT_GE(report.results.size(), 30u);
}

// Every construct, field, operator and event type of Falco's own rule files.
TEST(RuleTests, TheWholeLanguageWorks) {
  const std::array<std::filesystem::path, 1> language{PICKET_SOURCE_DIR
                                                      "/tests/records/falco/language.yaml"};
  const RuleTestReport report = run_rule_tests(language);
  EXPECT_EQ(report.load.error_text(), "");
  for (const Diagnostic& error : report.errors) ADD_FAILURE() << error.text();
  for (const RuleTestResult& result : report.results) {
    EXPECT_EQ(result.failure, "") << result.file << ":" << result.line << ": " << result.name;
  }
  EXPECT_GE(report.results.size(), 9u);
}

TEST(RuleTests, EveryShippedRuleSaysWhyAndWhichTechnique) {
  LoadReport report;
  const auto rules = load_rules(kShipped, report);
  ASSERT_TRUE(rules.ok()) << report.error_text();
  for (const Diagnostic& note : report.notes) ADD_FAILURE() << note.text();
  for (const RuleInfo& rule : (*rules)->rules()) {
    EXPECT_NE(rule.why, "") << rule.name;
    EXPECT_NE(rule.desc, "") << rule.name;
    EXPECT_FALSE(rule.events.empty()) << rule.name;
    EXPECT_EQ(rule.respond, Action::none) << rule.name << ": shipped rules only detect";
    EXPECT_TRUE(std::ranges::any_of(rule.tags, [](const std::string& tag) {
      return tag.size() >= 5 && tag[0] == 'T' && tag[1] == '1';
    })) << rule.name;
    EXPECT_TRUE(std::ranges::any_of(rule.tags, [](const std::string& tag) {
      return tag.starts_with("mitre_");
    })) << rule.name;
  }
}

}  // namespace
}  // namespace picket
