// PO7: a rule in shadow mode reports what it would have done, and how often; nothing happens to the
// workspace. The same rule without it acts.
#include "tests/acceptance/stored_alerts.h"

namespace picket::test {
namespace {

TEST_F(AcceptanceTest, AShadowRuleReportsWithItsCountAndDoesNothing) {
  const std::string exec = "evt.type in (execve, execveat) and proc.name = ";
  deploy({.rules = rule("test.shadow", exec + "env", "  respond: kill\n  shadow: true\n") +
                   rule("test.active", exec + "sleep", "  respond: kill\n"),
          .shipped_rules = false,
          .respond = true});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  // One process runs the program three times, and ends well.
  auto spared = container->run({"/bin/env", "/bin/env", "/bin/env", "/bin/true"});
  ASSERT_TRUE(spared.ok()) << spared.status();
  EXPECT_EQ(spared->exit_code, 0) << spared->out;
  auto struck = container->launch({"sleep", "3600"});
  ASSERT_TRUE(struck.ok()) << struck.status();
  auto ended = container->wait_for(*struck);  // killed: it would have slept for an hour
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_NE(*ended, 0);

  const auto alerts = alerts_so_far(*container);
  const auto active = distinct(by_rule(alerts, "test.active"));
  ASSERT_EQ(active.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_FALSE(active[0].contains("shadow"));
  EXPECT_EQ(active[0]["action"], "kill");
  const auto shadow = distinct(by_rule(alerts, "test.shadow"));
  ASSERT_EQ(shadow.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(shadow[0]["shadow"], true);
  EXPECT_EQ(shadow[0]["action"], "kill");
  EXPECT_EQ(shadow[0]["process"]["cmdline"], "/bin/env /bin/env /bin/env /bin/true");
  expect_identity(shadow[0], *container);

  // The agent tells the count before it ends.
  ASSERT_TRUE(deployment().stop_agent().ok());
  const auto counted = stored_alerts(deployment(), "test.shadow");
  ASSERT_EQ(counted.size(), 1u) << Alert(counted).dump(1);
  EXPECT_EQ(counted[0]["id"], shadow[0]["id"]);
  EXPECT_EQ(counted[0]["shadow"], true);
  EXPECT_EQ(counted[0]["count"], 3u);
}

}  // namespace
}  // namespace picket::test
