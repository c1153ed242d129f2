// What the loader says about rules that add nothing, contradict each other or come too late.
#include <gmock/gmock.h>

#include "agent/detect/rule/rule_analysis.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string named(std::string_view name, std::string_view condition, std::string_view more = {}) {
  return "- rule: " + std::string(name) + "\n  desc: d\n  priority: NOTICE\n  output: o\n" +
         "  condition: evt.type = execve and " + std::string(condition) + "\n" + std::string(more);
}

std::vector<std::string> notes(std::string text) {
  LoadReport report;
  const RuleFile file{"test.yaml", std::move(text)};
  const auto rules = compile_rule_files({&file, 1}, report);
  EXPECT_TRUE(rules.ok()) << rules.status();
  std::vector<std::string> texts;
  for (const Diagnostic& note : report.notes) texts.push_back(note.text());
  return texts;
}

TEST(RuleAnalysis, ARuleThatAnotherCoversIsShadowed) {
  EXPECT_THAT(notes(named("a", "proc.name = x") + named("b", "proc.name = x and user.uid = 0")),
              ElementsAre("test.yaml:6:9: rule 'b' is shadowed: 'a' (test.yaml:1) matches whatever "
                          "it matches, and is no less severe"));
  EXPECT_THAT(notes(named("a", "proc.name = x and user.uid = 0") + named("b", "proc.name = x")),
              ElementsAre(HasSubstr("1:9: rule 'a' is shadowed: 'b'")));
  EXPECT_THAT(notes(named("a", "proc.name = x") + named("b", "proc.name = x")),
              ElementsAre(HasSubstr("6:9: rule 'b' is shadowed: 'a'")));
}

TEST(RuleAnalysis, OneThatSaysOrDoesMoreIsNot) {
  EXPECT_THAT(notes(named("a", "proc.name = x") + named("b", "proc.name = y")), IsEmpty());
  EXPECT_THAT(notes(named("a", "proc.name = x") +
                    named("b", "proc.name = x and user.uid = 0", "  respond: kill\n")),
              IsEmpty());
  std::string severe = named("b", "proc.name = x and user.uid = 0");
  severe.replace(severe.find("NOTICE"), 6, "ERROR");
  EXPECT_THAT(notes(named("a", "proc.name = x") + severe), IsEmpty());
  EXPECT_THAT(notes(named("a", "proc.name = x", "  shadow: true\n") + named("b", "proc.name = x")),
              IsEmpty());
}

TEST(RuleAnalysis, DifferentResponsesContradictEachOther) {
  EXPECT_THAT(notes(named("a", "proc.name = x", "  respond: freeze\n") +
                    named("b", "proc.name = x", "  respond: kill\n")),
              ElementsAre(HasSubstr("rules 'b' and 'a' (test.yaml:1) contradict each other")));
}

TEST(RuleAnalysis, AnEndIsTooLateToActOn) {
  std::string late = named("a", "proc.name = x", "  respond: kill\n");
  late.replace(late.find("execve"), 6, "procexit");
  EXPECT_THAT(notes(late), ElementsAre(HasSubstr("1:9: rule 'a' can never be enforced")));
}

TEST(RuleAnalysis, AConditionThatExcludesItselfNeverMatches) {
  for (const char* condition :
       {"proc.name = x and not proc.name = x", "proc.name = x and proc.name in (y, z)"})
    EXPECT_THAT(notes(named("a", condition)), ElementsAre(HasSubstr("can never match")))
        << condition;
  EXPECT_THAT(notes(named("a", "proc.aname = x and proc.aname = y")), IsEmpty());
  EXPECT_THAT(notes(named("a", "proc.name in (x, y) and proc.name in (y, z)")), IsEmpty());
}

}  // namespace
}  // namespace picket
