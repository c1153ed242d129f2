// PO5: a waiver withholds the alerts of its rules until its end; then they come again by
// themselves, without a reload, and its end is told with owner, reason and how many were withheld.
// One that an operator signs reaches the nodes within 5 s, and so does its removal.
#include <chrono>

#include "tests/acceptance/signed_rules.h"

namespace picket::test {
namespace {

// UTC, whole seconds.
std::string time_in(std::chrono::seconds later) {
  const time_t at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + later);
  char text[32];
  std::tm utc{};
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &utc));
  return text;
}

TEST_F(AcceptanceTest, AWaiverEndsByItself) {
  const std::string asked = "evt.type in (execve, execveat) and proc.args = asked";
  deploy({.rules = rule("test.waived", asked) + rule("test.other", asked) +
                   "- waiver: migration\n  rules: [test.waived]\n  owner: ann@example.org\n"
                   "  reason: the old build calls it\n  expires: " +
                   time_in(std::chrono::seconds(25)) + "\n",
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  ASSERT_TRUE(container->run({"true", "asked"}).ok());
  const auto before = distinct(alerts_so_far(*container));
  ASSERT_EQ(before.size(), 1u) << Alert(before).dump(1);
  EXPECT_EQ(before[0]["rule"], "test.other");

  auto ended = deployment().alerts().wait_for("the waiver's end", [](const Alert& alert) {
    return alert["rule"] == "picket.waiver_ended";
  });
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ((*ended)["fields"]["waiver"], "migration");
  EXPECT_EQ((*ended)["fields"]["owner"], "ann@example.org");
  EXPECT_EQ((*ended)["fields"]["withheld"], "1");
  EXPECT_THAT((*ended)["output"].get<std::string>(),
              ::testing::HasSubstr("the old build calls it"));
  EXPECT_THAT(read_file(deployment().agent_log()).value_or(""),
              ::testing::HasSubstr("waiver migration of ann@example.org ended"));

  ASSERT_TRUE(container->run({"true", "asked"}).ok());
  EXPECT_EQ(by_rule(alerts_so_far(*container), "test.waived").size(), 1u);
}

class WaiversTest : public SignedRulesTest {
 protected:
  // Until so many are in force on the node; how long that took, the command included.
  std::chrono::milliseconds change(std::vector<std::string> arguments, int in_force) {
    const auto begin = std::chrono::steady_clock::now();
    picketctl(std::move(arguments));
    EXPECT_TRUE(until([&] {
      const nlohmann::json now = rules_status();
      return now["waivers"] == in_force && now["waivers_state"] == "in force";
    })) << rules_status();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
  }
  size_t alerts_of(Container& container, const std::string& name) {
    EXPECT_TRUE(container.run({"true", "asked"}).ok());
    return distinct(by_rule(alerts_so_far(container), name)).size();
  }
};

TEST_F(WaiversTest, ComeFromTheCollectorWithin5Seconds) {
  const std::string asked = "evt.type in (execve, execveat) and proc.args = asked";
  deploy_signed(rule("test.waived", asked) + rule("test.other", asked) + kMarkRule);
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  ASSERT_EQ(alerts_of(*container, "test.waived"), 1U);

  constexpr std::chrono::seconds kMost{5};
  EXPECT_LT(change({"waivers", "add", "migration", "--rule", "test.waived", "--owner", "ann",
                    "--reason", "the old build calls it", "--expires", "2199-12-31", "--condition",
                    "proc.name = true", "--key", path("rules.key")},
                   1),
            kMost);
  EXPECT_EQ(alerts_of(*container, "test.waived"), 1U) << "withheld";
  EXPECT_EQ(alerts_of(*container, "test.other"), 3U) << "told";
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  EXPECT_EQ(alerts_of(*container, "test.waived"), 1U) << "also after a new start";
  EXPECT_EQ(nlohmann::json::parse(picketctl({"waivers", "list", "-o", "json"}))["owner"], "ann");

  EXPECT_LT(change({"waivers", "remove", "migration", "--reason", "it is gone"}, 0), kMost);
  EXPECT_EQ(alerts_of(*container, "test.waived"), 2U);

  // Signed with another key: the collector hands it on, and the agent refuses it.
  std::filesystem::rename(path("rules.pub"), path("configured.pub"));
  make_key();
  std::filesystem::rename(path("configured.pub"), path("rules.pub"));
  picketctl({"waivers", "add", "foreign", "--rule", "*", "--owner", "eve", "--reason", "none",
             "--expires", "2199-12-31", "--key", path("rules.key")});
  EXPECT_TRUE(until([&] { return rules_status()["waivers_state"] == "refused"; }))
      << rules_status();
  EXPECT_EQ(alerts_of(*container, "test.waived"), 3U);
}

}  // namespace
}  // namespace picket::test
