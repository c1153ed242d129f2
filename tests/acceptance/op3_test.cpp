// OP3: a kernel without some hooks: the agent starts, says in words what is not detected, and flags
// the rules that depend on it, at its start and when rules are loaded later.
#include <signal.h>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kRules =
    rule("test.only_stdio", "evt.type = stdio and proc.stdin.kind = inet") +
    rule("test.also_stdio", "evt.type in (execve, execveat, stdio) and proc.stdin.kind = inet") +
    rule("test.exec", "evt.type in (execve, execveat) and proc.args startswith op3-");

constexpr char kEffect[] = "sockets bound to descriptors 0 to 2 of a running program are not seen";

class OP3 : public AcceptanceTest {
 protected:
  // What the collector tells of the node, once it knows it; `rows` of `key`, "hook" or "rule".
  std::vector<json> coverage(const char* key) {
    std::vector<json> rows;
    EXPECT_TRUE(until([&] {
      rows.clear();
      const auto said = deployment().picketctl({"coverage", "-o", "json"});
      if (!said.ok() || said->exit_code != 0) return false;
      std::istringstream lines(said->out);
      for (std::string line; std::getline(lines, line);)
        if (json row = json::parse(line); row.contains(key)) rows.push_back(std::move(row));
      return !said->out.empty();
    })) << "the collector never heard of the coverage";
    return rows;
  }
  std::string log() { return read_file(deployment().agent_log()).value_or(""); }
};

TEST_F(OP3, AMissingHookIsToldWithTheRulesThatDependOnIt) {
  deploy({.rules = kRules,
          .shipped_rules = false,
          .agent_settings = "sensor: {compat_calls: false}\n",
          .without_tracefs = true});
  if (HasFatalFailure()) return;
  size_t refused = 0;
  for (const json& line : coverage("hook")) {
    if (line["state"] == "attached") continue;
    EXPECT_NE(line["effect"], "") << line;
    EXPECT_NE(line["reason"], "") << line;
    refused += line["state"] == "refused";
  }
  EXPECT_GE(refused, 3u)
      << "system calls cannot be attached without tracefs, so no handler is called";

  std::map<std::string, json> gaps;
  for (const json& gap : coverage("rule")) gaps[gap["rule"]] = gap;
  ASSERT_TRUE(gaps.contains("test.only_stdio") && gaps.contains("test.also_stdio"));
  EXPECT_EQ(gaps["test.only_stdio"]["never_matches"], true);
  EXPECT_EQ(gaps["test.also_stdio"]["never_matches"], false);
  EXPECT_FALSE(gaps.contains("test.exec"));
  for (const auto& [rule, gap] : gaps) {
    EXPECT_THAT(gap["hooks"].get<std::vector<std::string>>(), Contains("call/stdio"));
    EXPECT_THAT(gap["effects"].get<std::vector<std::string>>(), Contains(kEffect));
  }

  const auto text = deployment().picketctl({"coverage"});
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(text->out, AllOf(HasSubstr(kEffect),
                               HasSubstr("rule test.only_stdio CANNOT MATCH on this node:"),
                               HasSubstr("rule test.also_stdio may miss something:"),
                               Not(HasSubstr("rule test.exec"))));
  EXPECT_THAT(log(), HasSubstr("rule test.only_stdio cannot match here"));

  // It watches with what it has.
  auto container = make_container();
  ASSERT_TRUE(container);
  ASSERT_TRUE(container->run({"true", "op3-seen"}).ok());
  EXPECT_EQ(by_rule(alerts_so_far(*container), "test.exec").size(), 1u);

  // Rules that are loaded later are flagged as well.
  const std::string later = rule("test.later", "evt.type = stdio");
  ASSERT_TRUE(write_file(sandbox().path("rules/test.yaml"), kMarkRule + later).ok());
  deployment().agent().signal(SIGHUP);
  EXPECT_TRUE(until([&] {
    const auto now = coverage("rule");
    return now.size() == 1 && now[0]["rule"] == "test.later";
  }));
  EXPECT_THAT(log(), HasSubstr("rule test.later cannot match here"));
}

TEST_F(OP3, WhereEveryHookIsAttachedNoRuleIsFlagged) {
  deploy({.rules = kRules, .shipped_rules = false});
  if (HasFatalFailure()) return;
  for (const json& line : coverage("hook")) {
    if (line["event"] != "stdio" && line["event"] != "exec") continue;
    EXPECT_EQ(line["state"], "attached") << line;
  }
  EXPECT_THAT(coverage("rule"), ElementsAre());
}

}  // namespace
}  // namespace picket::test
