// RO1: a workspace that makes events as fast as it can takes nothing from another one, and hides
// neither an attack elsewhere nor one of its own.
#include <signal.h>

#include "tests/acceptance/load.h"

namespace picket::test {
namespace {

constexpr int kProcesses = 100;
constexpr char kFloodMs[] = "3000";

class RO1 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kLoadRule});
    if (HasFatalFailure()) return;
    loud_ = make_container({.id = "loud-box"});
    quiet_ = make_container({.id = "quiet-box"});
    ASSERT_TRUE(loud_ && quiet_);
    for (Container* box : {loud_.get(), quiet_.get()}) {
      ASSERT_EQ(box->run({"listener", "4400", "1"})->exit_code, 0);
      alerts_so_far(*box);
    }
  }

  // Whether a machine's agent keeps up depends on the machine: here it cannot, for nobody reads.
  void hold_agent() {
    deployment().agent().signal(SIGSTOP);
    const std::string stat = fmt::format("/proc/{}/stat", deployment().agent_pid());
    ASSERT_TRUE(until([&] {
      return read_file(stat).value_or("").find(") T ") != std::string::npos;
    })) << "the agent does not stop";
  }

  bool gave_a_shell(const Container& box) {
    return read_file(box.written("/tmp/received.4400")).value_or("").find("picket-42-proof") !=
           std::string::npos;
  }
  std::vector<Alert> seen(const Container& box) const {
    std::vector<Alert> own;
    for (const Alert& alert : deployment_->alerts().seen())
      if (of(box, alert)) own.push_back(alert);
    return own;
  }

  std::unique_ptr<Container> loud_, quiet_;
};

TEST_F(RO1, TheLoudOneLosesItsOwnAndHidesNothing) {
  hold_agent();
  if (HasFatalFailure()) return;
  auto flood = loud_->launch({"flood", kFloodMs});
  ASSERT_TRUE(flood.ok()) << flood.status();
  ASSERT_TRUE(until([&] { return read_file(loud_->written("/tmp/flood.begun")).ok(); }));

  auto load = launch_load(*quiet_, kProcesses, 5000);
  ASSERT_TRUE(load.ok()) << load.status();
  auto elsewhere = quiet_->launch({"reverse_shell", "dup2", "4400"});
  auto inside = loud_->launch({"reverse_shell", "dup2", "4400"});
  ASSERT_TRUE(elsewhere.ok() && inside.ok());
  EXPECT_TRUE(quiet_->wait_for(*elsewhere).ok());
  EXPECT_TRUE(loud_->wait_for(*inside).ok());
  EXPECT_FALSE(read_file(loud_->written("/tmp/flood")).ok()) << "the flood ended too early";
  EXPECT_TRUE(gave_a_shell(*quiet_));
  EXPECT_TRUE(gave_a_shell(*loud_));
  EXPECT_EQ(quiet_->wait_for(*load).value_or(-1), 0);
  EXPECT_EQ(loud_->wait_for(*flood).value_or(-1), 0);
  deployment().agent().signal(SIGCONT);
  alerts_so_far(*quiet_);
  alerts_so_far(*loud_);
  if (HasFatalFailure()) return;

  EXPECT_EQ(by_rule(distinct(seen(*quiet_)), "reverse_shell").size(), 1u);
  EXPECT_EQ(by_rule(distinct(seen(*loud_)), "reverse_shell").size(), 1u);
  EXPECT_EQ(load_alerts(seen(*quiet_)).size(), static_cast<size_t>(kProcesses));
  EXPECT_TRUE(blind_spots(seen(*quiet_)).empty()) << Alert(blind_spots(seen(*quiet_))).dump(1);
  auto told = deployment().alerts().all_until(
      "what the loud one lost", [&](const Alert&) { return !blind_spots(seen(*loud_)).empty(); });
  EXPECT_TRUE(told.ok()) << told.status();
  for (const Alert& alert : blind_spots(seen(*loud_)))
    fmt::print("lost by the loud one: {}\n", alert["fields"].dump());
  fmt::print("it made: {}\n", read_file(loud_->written("/tmp/flood")).value_or(""));
}

}  // namespace
}  // namespace picket::test
