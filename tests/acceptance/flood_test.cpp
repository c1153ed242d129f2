// A workspace makes more events than the ring holds while the agent cannot read: each is either
// judged or counted in a blind spot that names the workspace, the types and the bounds.
#include <signal.h>

#include "tests/acceptance/load.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

// A process is four records of some hundred bytes: the smallest ring holds a few percent of this.
constexpr int kProcesses = 2000;
constexpr char kSmallestRing[] = "sensor: {ring_bytes: 65536}\n";

uint64_t number(const Alert& alert, const std::string& field) {
  return alert["fields"].contains(field) ? std::stoull(alert["fields"][field].get<std::string>())
                                         : 0;
}

class Flood : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kLoadRule, .shipped_rules = false, .agent_settings = kSmallestRing});
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "flooded-box"});
    ASSERT_TRUE(container_);
    alerts_so_far(*container_);  // the agent knows who it is
  }
  void flood() {
    deployment().agent().signal(SIGSTOP);
    const std::string stat = fmt::format("/proc/{}/stat", deployment().agent_pid());
    ASSERT_TRUE(until([&] {
      return read_file(stat).value_or("").find(") T ") != std::string::npos;
    })) << "the agent does not stop";
    auto load = launch_load(*container_, kProcesses, 0);
    ASSERT_TRUE(load.ok()) << load.status();
    ASSERT_EQ(container_->wait_for(*load).value_or(-1), 0);
    deployment().agent().signal(SIGCONT);
  }

  std::vector<Alert> told_losses() const {
    std::vector<Alert> own;
    for (const Alert& alert : blind_spots(deployment_->alerts().seen()))
      if (of(*container_, alert)) own.push_back(alert);
    return own;
  }
  uint64_t lost(const std::string& event) const {
    uint64_t sum = 0;
    for (const Alert& alert : told_losses()) sum += number(alert, "lost." + event);
    return sum;
  }
  // By every workspace of the machine, as the alerts say.
  uint64_t lost_everywhere() const {
    uint64_t sum = 0;
    for (const Alert& alert : blind_spots(deployment_->alerts().seen())) {
      uint64_t of_types = 0;
      for (const auto& [field, value] : alert["fields"].items())
        if (field.starts_with("lost.")) of_types += number(alert, field);
      EXPECT_EQ(number(alert, "lost"), of_types) << alert;
      sum += of_types;
    }
    return sum;
  }
  std::vector<Alert> own_alerts() const {
    std::vector<Alert> own;
    for (const Alert& alert : deployment_->alerts().seen())
      if (of(*container_, alert)) own.push_back(alert);
    return own;
  }
  size_t judged() const { return load_alerts(own_alerts()).size(); }

  // What the agent read from the kernel's counters: all of it was told.
  void expect_metric_agrees() {
    auto counted = [&] {
      return static_cast<uint64_t>(
          metric(deployment().agent_http(), "picket_sensor_lost_total").value_or(0));
    };
    uint64_t expected = 0;
    do {  // again when another container of the machine lost something meanwhile
      expected = counted();
      auto all = deployment().alerts().all_until(
          fmt::format("{} told losses", expected),
          [&](const Alert&) { return lost_everywhere() >= expected; });
      ASSERT_TRUE(all.ok()) << all.status();
    } while (counted() != expected);
    EXPECT_EQ(lost_everywhere(), expected);
  }

  // Names who, and no process that gave no alert ran outside of the bounds.
  void expect_bounds() {
    for (const Alert& alert : told_losses()) {
      EXPECT_EQ(alert["workspace"]["id"], container_->id()) << alert;
      EXPECT_EQ(alert["workspace"]["cgroup"], container_->cgroup()) << alert;
      EXPECT_EQ(alert["workspace"]["image"], container_->rootfs()) << alert;
      EXPECT_THAT(alert["output"].get<std::string>(), ::testing::HasSubstr(container_->id()));
      EXPECT_LT(alert["first"], alert["last"]) << alert;
    }
    const auto ran = load_that_ran(*container_);
    ASSERT_EQ(ran.size(), static_cast<size_t>(kProcesses));
    const auto alerts = load_alerts(own_alerts());
    const auto told = told_losses();
    for (size_t i = 0; i < ran.size(); ++i)
      EXPECT_TRUE(alerts.contains(i + 1) ||
                  std::ranges::any_of(
                      told, [&](const Alert& alert) { return meet(ran[i], bounds_of(alert)); }))
          << "process " << i + 1 << " ran from " << ran[i].from << " to " << ran[i].to;
  }

  std::unique_ptr<Container> container_;
};

TEST_F(Flood, WhatTheRingRefusesIsTold) {
  flood();
  if (HasFatalFailure()) return;
  auto all = deployment().alerts().all_until(
      "an alert or a counted loss of every process",
      [&](const Alert&) { return judged() + lost("exec") >= kProcesses; });
  ASSERT_TRUE(all.ok()) << all.status();
  expect_metric_agrees();
  alerts_so_far(*container_);  // the agent sees again
  if (HasFatalFailure()) return;

  const uint64_t processes = kProcesses;
  EXPECT_EQ(judged() + lost("exec"), processes) << "a loss is told once";
  EXPECT_GT(lost("exec"), processes / 2) << "the ring did not overflow";
  EXPECT_GT(judged(), 0u) << "what the ring took is judged";
  EXPECT_GT(lost("fork"), lost("exec")) << "bulk is shed first";
  EXPECT_LE(lost("fork"), processes + 1);  // the load itself is one more
  expect_bounds();
  fmt::print("{} processes: {} judged; lost {} exec, {} fork, {} exit, in {} blind spots\n",
             processes, judged(), lost("exec"), lost("fork"), lost("exit"), told_losses().size());
}

}  // namespace
}  // namespace picket::test
