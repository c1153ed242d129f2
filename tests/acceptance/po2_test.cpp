// PO2: 30 distinct hosts contacted within 60 s are one alert that says how many; 29 are none, and
// neither are many contacts of one host.
#include "tests/acceptance/stored_alerts.h"

namespace picket::test {
namespace {

const std::string kRules = R"(
- rule: test.sweep
  desc: Of a test
  sequence:
    by: workspace
    within: 60s
    steps:
      - step: contact
        condition: evt.type = connect
        count: 30
        distinct: fd.rip
  output: "%sequence.count hosts, the last one %fd.rip"
  priority: WARNING
- rule: test.rate
  desc: Of a test
  sequence:
    by: workspace
    within: 60s
    steps:
      - step: contact
        condition: evt.type = connect
        count: 59
  output: "%sequence.count contacts"
  priority: NOTICE
)";

TEST_F(AcceptanceTest, ThirtyHostsAreOneAlertWithTheCount) {
  deploy({.rules = kRules, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  // Loopback addresses of the container's own network namespace.
  const auto contact = [&](int first, int last) {
    auto ended = container->run(
        {"sh", "-c",
         fmt::format("for i in $(seq {} {}); do dns try 127.0.1.$i 80; done; true", first, last)});
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << ended->out;
  };
  const auto found = [&] { return by_rule(alerts_so_far(*container), "test.sweep"); };

  contact(1, 29);
  contact(1, 29);
  EXPECT_TRUE(found().empty());
  contact(30, 30);
  const auto both = alerts_so_far(*container);
  const auto rates = by_rule(both, "test.rate");
  ASSERT_EQ(rates.size(), 1u) << Alert(both).dump(1);
  EXPECT_EQ(rates[0]["output"], "59 contacts");
  const auto alerts = by_rule(both, "test.sweep");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  const Alert& alert = alerts[0];
  EXPECT_EQ(alert["output"], "30 hosts, the last one 127.0.1.30");
  EXPECT_EQ(alert["fields"]["sequence.count"], "30");
  EXPECT_EQ(alert["count"], 1u);
  expect_identity(alert, *container);
  EXPECT_EQ(alert["steps"].back()["count"], 30u);
  EXPECT_EQ(alert["steps"].back()["fields"]["fd.rip"], "127.0.1.30");

  // What goes on is the same alert, which grows.
  contact(31, 40);
  EXPECT_TRUE(deployment().stop_agent().ok());
  const auto grown = stored_alerts(deployment(), "test.sweep");
  ASSERT_EQ(grown.size(), 1u) << Alert(grown).dump(1);
  EXPECT_EQ(grown[0]["id"], alert["id"]);
  EXPECT_EQ(grown[0]["fields"]["sequence.count"], "40");
  EXPECT_EQ(grown[0]["count"], 1u);
}

}  // namespace
}  // namespace picket::test
