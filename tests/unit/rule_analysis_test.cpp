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

TEST(RuleAnalysis, SoIsOneWhoseValuesTheOtherHasToo) {
  const auto shadowed = [](std::string_view wide, std::string_view narrow) {
    const auto found = notes(named("a", wide) + named("b", narrow));
    return found.size() == 1 && found[0].find("rule 'b' is shadowed: 'a'") != std::string::npos;
  };
  EXPECT_TRUE(shadowed("proc.name in (x, y)", "proc.name = x"));
  EXPECT_TRUE(shadowed("proc.name in (x, y, z)", "proc.name in (z, x) and proc.pid = 3"));
  EXPECT_TRUE(shadowed("proc.name startswith /a", "proc.name startswith /a/b"));
  EXPECT_TRUE(shadowed("proc.name startswith /a", "proc.name in (/a/b, /a/c)"));
  EXPECT_TRUE(shadowed("proc.name endswith .b", "proc.name endswith a.b"));
  EXPECT_TRUE(shadowed("proc.name contains b", "proc.name startswith abc"));
  EXPECT_TRUE(shadowed("proc.pid > 3", "proc.pid in (4, 5)"));
  EXPECT_TRUE(shadowed("proc.name exists", "proc.name glob *x*"));
  EXPECT_TRUE(shadowed("(proc.name = x or proc.pid = 3)", "proc.name = x and user.uid = 0"));
  EXPECT_TRUE(shadowed("not proc.name = x", "not proc.name in (x, y)"));
  EXPECT_FALSE(shadowed("proc.name = x", "proc.name in (x, y)"));
  EXPECT_FALSE(shadowed("proc.name startswith /a/b", "proc.name startswith /a"));
  EXPECT_FALSE(shadowed("proc.name endswith b", "proc.name startswith ab"));
  EXPECT_FALSE(shadowed("proc.name in (x, y)", "not proc.name = z"));
  EXPECT_FALSE(shadowed("not proc.name in (x, y)", "not proc.name = x"));
  EXPECT_FALSE(shadowed("proc.aname in (x, y)", "proc.aname != x"));
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
       {"proc.name = x and not proc.name = x", "proc.name = x and proc.name in (y, z)",
        "proc.pid < 3 and proc.pid > 5", "proc.pid < 3 and proc.pid > 2",
        "proc.pid = 7 and proc.pid in (8, 9)", "proc.pid in (1, 2) and proc.pid >= 3",
        "proc.name startswith x and proc.name startswith y",
        "proc.name startswith x and proc.name in (y, z)", "proc.name endswith x and proc.name = y",
        "proc.name endswith .so and proc.name endswith .py",
        "proc.name startswith /a and proc.name startswith /b and proc.name startswith /a/b",
        "len(proc.name) > 5 and len(proc.name) < 5", "fd.rport < 10 and fd.rport > 20"})
    EXPECT_THAT(notes(named("a", condition)), ElementsAre(HasSubstr("can never match")))
        << condition;
  EXPECT_THAT(notes(named("a", "proc.aname = x and proc.aname = y")), IsEmpty());
  for (const char* condition :
       {"proc.name in (x, y) and proc.name in (y, z)", "proc.pid > 3 and proc.pid < 5",
        "proc.pid >= 3 and proc.pid <= 3", "proc.pid in (1, 2) and proc.pid >= 2",
        "proc.name startswith /a and proc.name startswith /a/b",
        "proc.name startswith /a and proc.name in (/b, /a/c)",
        "proc.name endswith .b and proc.name endswith a.b", "proc.apid < 3 and proc.apid > 5",
        "proc.name startswith x and (proc.name startswith y or proc.pid = 1)"})
    EXPECT_THAT(notes(named("a", condition)), IsEmpty()) << condition;
}

TEST(RuleAnalysis, AnEmptyListIsNoted) {
  EXPECT_THAT(notes(named("a", "(proc.name = x or proc.name in ())")),
              ElementsAre("test.yaml:5:64: nothing is in an empty list: this comparison is false"));
  EXPECT_THAT(notes(named("a", "proc.name in ()")),
              ElementsAre(HasSubstr("nothing is in an empty list"), HasSubstr("can never match")));
}

}  // namespace
}  // namespace picket
