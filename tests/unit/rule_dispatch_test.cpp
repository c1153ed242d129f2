// Many rules together match what each of them matches alone: no index of fields hides a rule from
// an event.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

// Half of them hold for one of the scenes below.
constexpr auto kTests = std::to_array<const char*>({
    "proc.name = bash",
    "proc.name in (bash, zsh)",
    "proc.name = zsh",
    "proc.name startswith ba",
    "proc.name startswith b",
    "proc.name startswith zs",
    "proc.name startswith ''",
    "proc.pname = make",
    "proc.pname in (ninja, cmake)",
    "proc.aname = sleep",
    "proc.aname in (init, systemd)",
    "proc.aname[2] = sleep",
    "proc.cmdline contains echo",
    "proc.cmdline contains \"ash -c ec\"",
    "proc.cmdline contains 'no such thing'",
    "proc.cmdline endswith hello",
    "proc.cmdline endswith o",
    "proc.cmdline glob '*-c*hell?'",
    "proc.cmdline glob '*[e]cho*'",
    "proc.cmdline regex '.*hello'",
    "proc.cmdline icontains ECHO",
    "proc.exepath startswith /usr/bin/",
    "proc.exepath startswith /usr/bin/ba",
    "proc.exepath startswith /opt",
    "proc.exepath startswith /",
    "proc.exepath bstartswith 2f757372",
    "proc.exepath pmatch (/usr, /opt)",
    "tolower(proc.name) = bash",
    "len(proc.name) = 4",
    "len(proc.name) in (5, 6)",
    "proc.name = val(proc.pname)",
    "user.uid = 1000",
    "user.uid in (0, 1)",
    "user.uid >= 1000",
    "user.uid != 1000",
    "proc.name != bash",
    "fd.rport = 443",
    "fd.port in (443, 80)",
    "fd.port = 22",
    "fd.sip = \"203.0.113.9\"",
    "event.argv in (/bin/bash, -c, 'echo hello')",
    "event.argv in (/bin/bash)",
    "event.argv intersects (-c, -x)",
    "evt.type = execve",
    "evt.type in (connect, dup2)",
    "workspace.label[team] = blue",
    "workspace.label[team] in (red)",
});

std::string condition(std::mt19937& dice, int depth) {
  const auto below = [&](size_t end) { return dice() % end; };
  std::string text;
  if (depth == 0 || below(4) == 0) {
    text = kTests[below(kTests.size())];
  } else {
    const char* const word = below(3) != 0 ? " and " : " or ";
    const size_t parts = 2 + below(3);
    for (size_t part = 0; part < parts; ++part)
      text += (part == 0 ? "" : word) + condition(dice, depth - 1);
    text = "(" + text + ")";
  }
  return below(5) == 0 ? "not " + text : text;
}

std::string rule_named(const std::string& name, const std::string& condition) {
  return fmt::format(
      "- rule: {}\n  desc: d\n  priority: NOTICE\n  output: o\n  condition: |\n    {}\n", name,
      condition);
}

std::set<std::string> matching(const Scene& scene, RuleDetector& detector) {
  std::set<std::string> names;
  for (const Finding& finding : scene.run(detector)) names.insert(finding.rule);
  return names;
}

std::vector<Scene> scenes() {
  std::vector<Scene> scenes;
  scenes.emplace_back(PK_EXEC).with("argv", "/bin/bash -c 'echo hello'");
  scenes.emplace_back(PK_CONNECT).with("remote_addr", "203.0.113.9").with("remote_port", "443");
  scenes.emplace_back(PK_EXIT);
  Scene& other = scenes.emplace_back(PK_EXEC);
  other.process.comm = "zsh";
  other.process.exe = "/opt/zsh";
  other.process.parent = nullptr;
  other.process.argv = {};
  for (Scene& scene : scenes)  // moved: the fixture points into itself
    if (scene.process.parent != nullptr) {
      scene.parent.parent = &scene.init;
      scene.process.parent = &scene.parent;
    }
  return scenes;
}

TEST(RuleDispatch, ManyRulesMatchWhatEachMatchesAlone) {
  constexpr int kRules = 400;
  std::mt19937 dice(7);
  std::string all;
  std::vector<std::unique_ptr<RuleDetector>> alone;
  for (int i = 0; i < kRules; ++i) {
    const std::string text = rule_named(fmt::format("r{}", i), condition(dice, 3));
    all += text;
    alone.push_back(std::make_unique<RuleDetector>(rules_of(text)));
  }
  RuleDetector together(rules_of(all));
  size_t matches = 0;
  for (const Scene& scene : scenes()) {
    std::set<std::string> expected;
    for (const auto& detector : alone) expected.merge(matching(scene, *detector));
    EXPECT_EQ(matching(scene, together), expected);
    matches += expected.size();
  }
  EXPECT_GT(matches, 100u);
  EXPECT_LT(matches, 4 * kRules - 100u);
}

// The order of the findings is the order of the rules, whatever led to each.
TEST(RuleDispatch, MatchesComeInTheOrderOfTheRules) {
  std::string all;
  for (int i = 0; i < 70; ++i)
    all += rule_named(fmt::format("r{:02}", i),
                      i % 3 == 0   ? "user.uid >= 1000"
                      : i % 3 == 1 ? fmt::format("proc.name in (bash, x{})", i)
                                   : fmt::format("proc.exepath startswith /usr/bin and not "
                                                 "proc.name = x{}",
                                                 i));
  RuleDetector detector(rules_of(all));
  const auto findings = Scene().run(detector);
  ASSERT_EQ(findings.size(), 70u);
  for (size_t i = 0; i < findings.size(); ++i)
    EXPECT_EQ(findings[i].rule, fmt::format("r{:02}", i));
}

}  // namespace
}  // namespace picket
