#include "agent/app/rule_gaps.h"

#include <gmock/gmock.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using State = CoverageLine::State;

CoverageLine line(std::string hook, std::string event, State state, std::string effect = {}) {
  return {std::move(hook), std::move(event), state, std::move(effect), {}};
}

Coverage coverage_of(std::vector<CoverageLine> lines) {
  Coverage coverage;
  coverage.lines = std::move(lines);
  return coverage;
}

std::string rule(const std::string& name, const std::string& condition,
                 const std::string& more = {}) {
  return "- rule: " + name + "\n  desc: d\n  condition: " + condition +
         "\n  output: o\n  priority: NOTICE\n" + more;
}

std::vector<std::string> all_words(const Coverage& coverage, const std::string& rules) {
  std::vector<std::string> all;
  for (const RuleGap& gap : rule_gaps(coverage, *rules_of(rules))) all.push_back(words(gap));
  return all;
}

TEST(RuleGaps, ACompleteKernelHasNone) {
  const Coverage coverage = coverage_of({line("a", "exec", State::attached)});
  EXPECT_TRUE(all_words(coverage, rule("r", "evt.type = execve")).empty());
}

TEST(RuleGaps, ARuleWhoseOnlyEventCannotComeNeverMatches) {
  const Coverage coverage = coverage_of({line("x", "exec", State::attached),
                                         line("d", "stdio", State::refused, "dup is not seen"),
                                         line("e", "stdio", State::off, "32-bit is not seen")});
  EXPECT_THAT(all_words(coverage, rule("r", "evt.type = stdio") + rule("s", "evt.type = execve")),
              testing::ElementsAre("rule r cannot match here: dup is not seen (d is refused); "
                                   "32-bit is not seen (e is off)"));
}

TEST(RuleGaps, ARuleThatStillSeesSomethingMayMiss) {
  const Coverage one_hook = coverage_of({line("d", "stdio", State::attached),
                                         line("e", "stdio", State::failing, "dup may be missing")});
  EXPECT_THAT(all_words(one_hook, rule("r", "evt.type = stdio")),
              testing::ElementsAre("rule r may miss something: dup may be missing (e is failing)"));
  const Coverage other_event = coverage_of(
      {line("x", "exec", State::attached), line("d", "stdio", State::refused, "dup is not seen")});
  EXPECT_THAT(all_words(other_event, rule("r", "evt.type in (execve, stdio)")),
              testing::ElementsAre("rule r may miss something: dup is not seen (d is refused)"));
}

TEST(RuleGaps, WhatIsSwitchedOffIsNotFlagged) {
  const Coverage coverage = coverage_of({line("d", "stdio", State::refused, "dup is not seen")});
  EXPECT_TRUE(all_words(coverage, rule("r", "evt.type = stdio", "  enabled: false\n")).empty());
}

}  // namespace
}  // namespace picket
