// EV8: what moved through a flow, told when it closes and while it moves, with process, workspace
// and name. The interval is set to nothing, so that each packet finds it over and nobody waits a
// minute.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kRules =
    "- rule: test.closed\n  desc: Of a test\n  priority: NOTICE\n"
    "  condition: evt.type = flow and event.closed = true and fd.rport = 8080\n"
    "  output: \"%event.bytes_out|%event.bytes_in|%fd.rip.name|%fd.rip:%fd.rport\"\n"
    "- rule: test.moving\n  desc: Of a test\n  priority: NOTICE\n"
    "  condition: >\n"
    "    evt.type = flow and event.closed = false and event.bytes_out > 0 and fd.rport = 8080\n"
    "  output: \"%event.bytes_out|%fd.rip.name\"\n"
    "- rule: test.served\n  desc: Of a test\n  priority: NOTICE\n"
    "  condition: evt.type = flow and event.closed = true and fd.lport = 8080\n"
    "  output: \"%event.bytes_out|%event.bytes_in|%fd.is_server\"\n";

TEST_F(AcceptanceTest, AFlowIsToldWithBytesProcessWorkspaceAndName) {
  deploy({.rules = kRules,
          .shipped_rules = false,
          .agent_settings = "sensor: {flow_interval_seconds: 0}\n"});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "ev8"});
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"dns", "serve"})->exit_code, 0);
  ASSERT_EQ(container->run({"dns", "ask", "udp", "files.example"})->exit_code, 0);
  ASSERT_EQ(container->run({"dns", "fetch", "123456"})->exit_code, 0);
  const auto alerts = distinct(alerts_so_far(*container));

  const auto closed = by_rule(alerts, "test.closed");
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0]["output"], "123456|5000|files.example|127.0.0.80:8080");
  EXPECT_EQ(closed[0]["process"]["cmdline"], "dns fetch 123456");
  expect_identity(closed[0], *container);

  const auto moving = by_rule(alerts, "test.moving");
  ASSERT_EQ(moving.size(), 1u);  // repeats are merged
  EXPECT_EQ(moving[0]["process"]["cmdline"], "dns fetch 123456");
  EXPECT_THAT(moving[0]["output"].get<std::string>(), ::testing::EndsWith("|files.example"));

  const auto served = by_rule(alerts, "test.served");
  ASSERT_EQ(served.size(), 1u);
  EXPECT_EQ(served[0]["output"], "5000|123456|true");
  EXPECT_EQ(served[0]["process"]["cmdline"], "dns serve");
}

}  // namespace
}  // namespace picket::test
