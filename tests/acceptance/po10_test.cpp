// PO10: repeats of a rule are one alert with a count, first and last time, however much another
// rule has to say at the same time; and of the noise itself every match is counted.
#include "tests/acceptance/stored_alerts.h"

namespace picket::test {
namespace {

constexpr int kNoise = 4500;  // processes: more than the agent's table of repeats holds

TEST_F(AcceptanceTest, RepeatsAreMergedWithACountAndNoiseCostsNone) {
  const std::string exec = "evt.type in (execve, execveat) and proc.args ";
  deploy({.rules = rule("test.noise", exec + "startswith load-") +
                   rule("test.quiet", exec + "endswith asked"),
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  // One process: a match, the noise, and a match again.
  auto ended = container->run(
      {"sh", "-c", fmt::format("load /tmp/load {} 0; exec /bin/true asked", kNoise), "asked"});
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->exit_code, 0) << ended->out;
  ASSERT_TRUE(deployment().stop_agent().ok());  // which tells every count

  EXPECT_EQ(stored_alerts(deployment(), "test.noise").size(), static_cast<size_t>(kNoise));
  const auto quiet = stored_alerts(deployment(), "test.quiet");
  ASSERT_EQ(quiet.size(), 1u) << Alert(quiet).dump(1);
  const Alert& alert = quiet[0];
  EXPECT_EQ(alert["count"], 2u);
  EXPECT_LT(alert["first"].get<std::string>(), alert["last"].get<std::string>());
  EXPECT_EQ(alert["first"], alert["time"]);
  expect_identity(alert, *container);
}

}  // namespace
}  // namespace picket::test
