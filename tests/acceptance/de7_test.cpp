// DE7: work that takes whole processors is no miner: a build with a connection of its own (its
// lineage says what it is), and encoding without one. Seconds stand for minutes here, by
// configuration.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

const std::string kLineage = R"(
- lineage: test_build
  origin: build
  programs: [/tmp/ninja]
- rule: test.seen
  desc: Of a test
  condition: evt.type = cpu_profile and cpu.wanted_percent >= 50
  output: "%proc.cmdline"
  priority: DEBUG
)";

TEST_F(EgressTest, BuildsAndEncodersAtFullLoadStaySilent) {
  deploy({.rules = kLineage,
          .agent_settings = "sensor: {cpu_interval_seconds: 1, flow_interval_seconds: 1}\n"});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de7"});
  ASSERT_TRUE(container);
  run(*container, {"contact", "serve", "127.0.0.9", "443"});
  run(*container, {"cp", "/opt/picket-test/contact", "/tmp/ninja"});
  // A build that keeps a connection to its cache, two jobs at a time; and an encoder's threads.
  run(*container, {"/tmp/ninja", "shell",
                   "contact mine 5 127.0.0.9 443 & contact compute 5 & wait; "
                   "contact compute 4 & contact compute 4 & wait"});
  run(*container, {"contact", "compute", "5"});
  const auto alerts = distinct(alerts_so_far(*container));
  EXPECT_FALSE(by_rule(alerts, "test.seen").empty());  // they were busy, and it was seen
  for (const Alert& alert : accusations(alerts)) ADD_FAILURE() << alert.dump(1);
}

}  // namespace
}  // namespace picket::test
