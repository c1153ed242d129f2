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
  EXPECT_TRUE(shadowed("proc.pid > 3", "proc.pid >= 5"));
  EXPECT_TRUE(shadowed("proc.pid <= 9", "proc.pid < 9"));
  EXPECT_FALSE(shadowed("proc.pid > 3", "proc.pid >= 3"));
  EXPECT_FALSE(shadowed("proc.pid > 3", "proc.pid < 9"));
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
       {"proc.name = x and not proc.name = x",
        "proc.name = x and proc.name in (y, z)",
        "proc.pid < 3 and proc.pid > 5",
        "proc.pid < 3 and proc.pid > 2",
        "proc.pid = 7 and proc.pid in (8, 9)",
        "proc.pid in (1, 2) and proc.pid >= 3",
        "proc.name startswith x and proc.name startswith y",
        "proc.name startswith x and proc.name in (y, z)",
        "proc.name endswith x and proc.name = y",
        "proc.name endswith .so and proc.name endswith .py",
        "proc.name startswith /a and proc.name startswith /b and proc.name startswith /a/b",
        "len(proc.name) > 5 and len(proc.name) < 5",
        "fd.rport < 10 and fd.rport > 20",
        "proc.name = x and proc.name != x",
        "proc.pid = 16 and proc.pid != 16",
        "proc.name = abc and proc.name contains x",
        "proc.name in (ab, ac) and not proc.name startswith a",
        "proc.name = abc and proc.name glob b*",
        "proc.name = x and not proc.name exists",
        "container.privileged = true and container.privileged = false",
        "container.privileged = true and not container.privileged = true",
        "len(proc.name) < 0",
        "len(proc.name) = -1"})
    EXPECT_THAT(notes(named("a", condition)), ElementsAre(HasSubstr("can never match")))
        << condition;
  EXPECT_THAT(notes(named("a", "proc.aname = x and proc.aname = y")), IsEmpty());
  for (const char* condition :
       {"proc.name in (x, y) and proc.name in (y, z)", "proc.pid > 3 and proc.pid < 5",
        "proc.pid >= 3 and proc.pid <= 3", "proc.pid in (1, 2) and proc.pid >= 2",
        "proc.name startswith /a and proc.name startswith /a/b",
        "proc.name startswith /a and proc.name in (/b, /a/c)",
        "proc.name endswith .b and proc.name endswith a.b", "proc.apid < 3 and proc.apid > 5",
        "proc.name startswith x and (proc.name startswith y or proc.pid = 1)",
        "proc.name in (x, y) and proc.name != x", "proc.name = abc and proc.name contains b",
        "proc.name = x and proc.name exists", "proc.aname = x and proc.aname != x",
        "container.privileged = true and container.privileged != false", "len(proc.name) < 1",
        "not len(proc.name) < 0"})
    EXPECT_THAT(notes(named("a", condition)), IsEmpty()) << condition;
}

std::string connects(std::string_view name, std::string_view condition) {
  std::string rule = named(name, condition);
  return rule.replace(rule.find("execve"), 6, "connect");
}

TEST(RuleAnalysis, NetworksWithinOthersAreShadowed) {
  const auto shadowed = [](std::string_view wide, std::string_view narrow) {
    const auto found = notes(connects("a", wide) + connects("b", narrow));
    return found.size() == 1 && found[0].find("rule 'b' is shadowed: 'a'") != std::string::npos;
  };
  EXPECT_TRUE(shadowed("fd.rip = 10.0.0.0/8", "fd.rip in (10.1.0.0/16, 10.2.3.4)"));
  EXPECT_TRUE(shadowed("fd.rip in (10.0.0.0/8, 2001:db8::/32)", "fd.rip = 2001:db8::1"));
  EXPECT_FALSE(shadowed("fd.rip = 10.1.0.0/16", "fd.rip = 10.0.0.0/8"));
  EXPECT_FALSE(shadowed("fd.rip = 10.0.0.0/8", "fd.rip in (10.1.0.0/16, 11.0.0.0/16)"));
  EXPECT_FALSE(shadowed("fd.rip = 10.0.0.0/8", "fd.rip != 10.1.0.0/16"));
}

TEST(RuleAnalysis, TwoAddressesAtOnceNeverMatch) {
  EXPECT_THAT(notes(connects("a", "fd.rip = 1.1.1.1 and fd.rip = 2.2.2.2")),
              ElementsAre(HasSubstr("can never match")));
  EXPECT_THAT(notes(connects("a", "fd.rip = 1.1.1.1 and not fd.rip = 1.1.0.0/16")),
              ElementsAre(HasSubstr("can never match")));
  EXPECT_THAT(notes(connects("a", "fd.rip = 1.1.0.0/16 and fd.rip != 1.1.1.1")), IsEmpty());
  EXPECT_THAT(notes(connects("a", "fd.ip = 1.1.1.1 and fd.ip = 2.2.2.2")), IsEmpty());
}

TEST(RuleAnalysis, AnEmptyListIsNoted) {
  EXPECT_THAT(notes(named("a", "(proc.name = x or proc.name in ())")),
              ElementsAre("test.yaml:5:64: nothing is in an empty list: this comparison is false"));
  EXPECT_THAT(notes(named("a", "proc.name in ()")),
              ElementsAre(HasSubstr("nothing is in an empty list"), HasSubstr("can never match")));
}

TEST(RuleAnalysis, ValuesThatNothingEverHasAreNoted) {
  EXPECT_THAT(notes(connects("a", "fd.rip = \"::ffff:1.2.3.4\"")),
              ElementsAre(HasSubstr("IPv4 within IPv6 is told as IPv4")));
  EXPECT_THAT(
      notes(connects("a", "fd.l4proto = TCP")),
      ElementsAre(HasSubstr("'fd.l4proto' is never 'TCP'; it is one of: tcp udp icmp raw")));
  EXPECT_THAT(notes(connects("a", "fd.rport in (443, 70000)")),
              ElementsAre(HasSubstr("'fd.rport' is never 70000; a port is a number from 0 to")));
  EXPECT_THAT(notes(named("a", "tolower(proc.name) = CURL")),
              ElementsAre(HasSubstr("'tolower(proc.name)' never has the letters of 'CURL'")));
  EXPECT_THAT(notes(named("a", "basename(toupper(proc.exe)) in (CURL, wget)")),
              ElementsAre(HasSubstr("never has the letters of 'wget'")));
  EXPECT_THAT(notes(named("a", "proc.name glob \"[a\"")),
              ElementsAre(HasSubstr("a '[' of '[a' has no ']' and stands for itself")));
  for (const char* fine :
       {"proc.name glob \"[a]*\"", "proc.name glob \"\\[a\"", "tolower(proc.name) = curl",
        "tolower(proc.name) regex \"\\S+\"", "tolower(proc.name) icontains CURL"})
    EXPECT_THAT(notes(named("a", fine)), IsEmpty()) << fine;
  EXPECT_THAT(notes(connects("a", "fd.l4proto = tcp and fd.rport = 65535 and fd.rip = ::1")),
              IsEmpty());
}

TEST(RuleAnalysis, NamesThatStandForNothingAreNoted) {
  const std::string except = "  exceptions: [{name: e, fields: proc.pname, values: [";
  EXPECT_THAT(
      notes(named("a", "proc.name = x", except + "no_such_list]}]\n")),
      ElementsAre("test.yaml:6:55: no list is called 'no_such_list': it stands for itself"));
  EXPECT_THAT(notes(named("a", "proc.name = x", except + "make]}]\n")), IsEmpty());
  EXPECT_THAT(notes(named("a", "proc.name = x",
                          "  exceptions: [{name: e, fields: proc.pname, values: [b]}, {name: e, "
                          "fields: proc.pid, values: [1]}]\n")),
              ElementsAre(HasSubstr("exception 'e' stands twice in this rule")));
  for (const char* name : {"a b", "and", "not x", "m("}) {
    const std::string macro = "- macro: " + std::string(name) + "\n  condition: proc.name = x\n";
    EXPECT_THAT(notes(macro + named("a", "proc.pid = 3")),
                ElementsAre(HasSubstr("test.yaml:1:10: no condition can name the macro")))
        << name;
  }
  EXPECT_THAT(notes("- macro: a-b.c_2\n  condition: proc.name = x\n" + named("a", "a-b.c_2")),
              IsEmpty());
}

}  // namespace
}  // namespace picket
