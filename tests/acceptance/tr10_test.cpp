// TR10: the collector's /metrics tell how many violations came, how long incidents waited until
// somebody looked, and until their workspace was stopped. A real collector and picketctl over mTLS;
// the node has its alerts on order and answers orders.
#include <gmock/gmock.h>

#include <thread>

#include "tests/fleet/collector_fixture.h"

namespace picket::test {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kAge = 120;  // of the incident, in seconds, when its alerts come

class TR10 : public CollectorTest {
 protected:
  v1::Alert alert_of(const std::string& id, const std::string& incident, v1::Priority priority,
                     const std::string& workspace) {
    v1::Alert alert = make_alert(id, 1, workspace);
    alert.set_priority(priority);
    alert.mutable_incident()->set_id(incident);
    for (auto* time : {alert.mutable_time(), alert.mutable_first(), alert.mutable_last()})
      set_wall_ns(*time, clock_.wall_ns() - kAge * kSecond);
    return alert;
  }
  std::unique_ptr<SimulatedAgent> node_with_two_incidents() {
    auto node = agent();
    EXPECT_EQ(node->hello(), 0U);
    v1::Alert trial = alert_of("t1", "", v1::PRIORITY_CRITICAL, "w1");
    trial.set_shadow(true);
    EXPECT_TRUE(node->send(
        batch(kNode,
              {workspace_envelope(1, "w1", "one"), workspace_envelope(2, "w2", "two"),
               envelope(3, alert_of("a1", "a1", v1::PRIORITY_CRITICAL, "w1")),
               envelope(4, alert_of("a2", "a1", v1::PRIORITY_NOTICE, "w1")),
               envelope(5, alert_of("b1", "b1", v1::PRIORITY_NOTICE, "w2")), envelope(6, trial)})));
    EXPECT_TRUE(node->wait_for_ack(6));
    return node;
  }
  double violations(const std::string& priority) const {
    return metric_of("picket_violations_total", "priority=\"" + priority + "\"");
  }
  double incidents(const std::string& state) const {
    return metric_of("picket_incidents", "state=\"" + state + "\"");
  }
  void picketctl_does(const std::vector<std::string>& arguments) const {
    const ProgramResult done = picketctl("ada", arguments);
    EXPECT_EQ(done.exit_code, 0) << done.err;
  }
  // The node carries it out, or fails to.
  void order(SimulatedAgent& node, uint64_t sequence, const std::string& action, bool ok) {
    std::thread operator_([&] {
      const ProgramResult done = picketctl("ada", {"workspace", action, "w1", "--reason", "r"});
      EXPECT_EQ(done.exit_code, ok ? 0 : 1) << done.err;
    });
    const auto command = node.wait_for_command();
    EXPECT_TRUE(command);
    if (command) {
      v1::CommandResult result;
      result.set_command_id(command->id());
      result.set_action(command->action());
      result.set_workspace_id(command->workspace_id());
      result.set_ok(ok);
      set_wall_ns(*result.mutable_time(), clock_.wall_ns());
      EXPECT_TRUE(node.send(batch(kNode, {envelope(sequence, result)})));
      EXPECT_TRUE(node.wait_for_ack(sequence));
    }
    operator_.join();
  }
  // Of `count` incidents, each as old as its alerts and no older than this test can be.
  void expect_waits(const std::string& histogram, double count) const {
    EXPECT_EQ(metric_of(histogram + "_count"), count) << histogram;
    EXPECT_GE(metric_of(histogram + "_sum"), count * kAge) << histogram;
    EXPECT_LE(metric_of(histogram + "_sum"), count * (kAge + 300)) << histogram;
  }
};

TEST_F(TR10, MetricsTellHowManyViolationsComeByPriority) {
  EXPECT_EQ(violations("CRITICAL"), 0) << "a rate needs its zero";
  const auto node = node_with_two_incidents();
  EXPECT_EQ(violations("CRITICAL"), 1) << "rules on trial claim nothing";
  EXPECT_EQ(violations("NOTICE"), 2);
  EXPECT_EQ(incidents("open"), 2);
  EXPECT_EQ(incidents("acknowledged"), 0);
}

TEST_F(TR10, MetricsTellHowLongItTookToAcknowledge) {
  const auto node = node_with_two_incidents();
  expect_waits("picket_incident_acknowledge_seconds", 0);
  picketctl_does({"incidents", "assign", "a1", "bob"});
  expect_waits("picket_incident_acknowledge_seconds", 0);
  picketctl_does({"incidents", "ack", "a1"});
  expect_waits("picket_incident_acknowledge_seconds", 1);
  EXPECT_EQ(incidents("open"), 1);
  EXPECT_EQ(incidents("acknowledged"), 1);
  picketctl_does({"incidents", "resolve", "a1", "--true-positive", "--reason", "r"});
  picketctl_does({"incidents", "reopen", "a1", "--reason", "r"});
  picketctl_does({"incidents", "ack", "a1"});
  expect_waits("picket_incident_acknowledge_seconds", 1);
  picketctl_does({"incidents", "resolve", "b1", "--benign", "--reason", "r"});
  expect_waits("picket_incident_acknowledge_seconds", 2);
  EXPECT_EQ(incidents("open"), 0);
}

TEST_F(TR10, MetricsTellHowLongItTookToContain) {
  const auto node = node_with_two_incidents();
  order(*node, 7, "freeze", false);
  expect_waits("picket_incident_contain_seconds", 0);
  order(*node, 8, "freeze", true);
  expect_waits("picket_incident_contain_seconds", 1);
  order(*node, 9, "thaw", true);
  order(*node, 10, "kill", true);
  expect_waits("picket_incident_contain_seconds", 1);
  const auto incident = json("vic", {"incidents", "get", "a1"}).at(0);
  EXPECT_TRUE(incident.contains("contained")) << incident;
  EXPECT_FALSE(json("vic", {"incidents", "get", "b1"}).at(0).contains("contained"));
}

}  // namespace
}  // namespace picket::test
