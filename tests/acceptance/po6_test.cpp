// PO6: a rule with a scope applies where its selectors hold, and nowhere else: one rule for each
// selector, one workspace where all of them hold and one where none does.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::vector<std::pair<std::string, std::string>> kScopes = {
    {"namespace", "{namespace: blue-ns}"},
    {"label", "{label: {tier: 'dev-*'}}"},
    {"owner", "{owner: [ann, alice]}"},
    {"template", "{template: go}"},
    {"repository", "{repository: '*/blue/shop'}"},
    {"workspace", "{workspace: blue}"},
    {"together", "{owner: alice, template: go}"},
};

// Not what the agent says of itself: nobody answers for these pods.
std::vector<Alert> of_rules(const std::vector<Alert>& alerts) {
  std::vector<Alert> result;
  for (const Alert& alert : distinct(alerts))
    if (alert["event"] != "none") result.push_back(alert);
  return result;
}

std::map<std::string, std::string> annotations(const std::string& color, const std::string& owner) {
  return {{"io.kubernetes.cri.container-name", color},
          {"io.kubernetes.cri.sandbox-name", color + "-pod"},
          {"io.kubernetes.cri.sandbox-namespace", color + "-ns"},
          {"tier", color == "blue" ? "dev-1" : "prod-1"},
          {"picket/owner", owner},
          {"picket/template", color == "blue" ? "go" : "java"},
          {"picket/repository", "https://git.example.org/" + color + "/shop"}};
}

TEST_F(AcceptanceTest, ARuleAppliesOnlyInItsScope) {
  std::string rules;
  for (const auto& [name, scope] : kScopes) {
    rules += rule("test." + name, "evt.type in (execve, execveat) and proc.args = asked",
                  fmt::format("  scope: {}\n", scope));
  }
  rules += rule("test.everywhere", "evt.type in (execve, execveat) and proc.args = asked");
  deploy({.rules = rules, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto blue = make_container({.annotations = annotations("blue", "alice")});
  auto red = make_container({.annotations = annotations("red", "bob")});
  auto plain = make_container();
  ASSERT_TRUE(blue && red && plain);
  for (Container* container : {blue.get(), red.get(), plain.get()})
    ASSERT_TRUE(container->run({"true", "asked"}).ok());

  const auto inside = of_rules(alerts_so_far(*blue));
  for (const auto& [name, scope] : kScopes)
    EXPECT_EQ(by_rule(inside, "test." + name).size(), 1u) << name << ": " << Alert(inside).dump(1);
  EXPECT_EQ(inside.size(), kScopes.size() + 1);
  for (Container* container : {red.get(), plain.get()}) {
    const auto outside = of_rules(alerts_so_far(*container));
    ASSERT_EQ(outside.size(), 1u) << Alert(outside).dump(1);
    EXPECT_EQ(outside[0]["rule"], "test.everywhere");
  }
}

TEST_F(AcceptanceTest, ARuleAppliesBelowItsAgent) {
  const std::string run = "evt.type in (execve, execveat) and proc.args = load-1";
  deploy({.rules = "- lineage: test-agent\n  origin: ai_agent\n  programs: [/tmp/agent]\n" +
                   rule("test.agent", run, "  scope: {agent: test-agent}\n") +
                   rule("test.everywhere", run),
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"load", "/tmp/plain", "1", "0"})->exit_code, 0);
  const auto plain = distinct(alerts_so_far(*container));
  EXPECT_EQ(by_rule(plain, "test.everywhere").size(), 1u);
  EXPECT_TRUE(by_rule(plain, "test.agent").empty()) << Alert(plain).dump(1);

  auto ended =
      container->run({"sh", "-c", "cp $(command -v load) /tmp/agent && /tmp/agent /tmp/below 1 0"});
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->exit_code, 0) << ended->out;
  const auto below = distinct(by_rule(alerts_so_far(*container), "test.agent"));
  ASSERT_EQ(below.size(), 1u);
  EXPECT_EQ(below[0]["process"]["agent"], "test-agent");
}

}  // namespace
}  // namespace picket::test
