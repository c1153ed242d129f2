// RO1: a workspace that makes events as fast as it can takes nothing from another one, and hides
// neither an attack elsewhere nor one of its own.
#include <signal.h>

#include "tests/acceptance/load.h"

namespace picket::test {
namespace {

constexpr int kProcesses = 100, kLoud = 4;
constexpr char kFloodMs[] = "3000";

class RO1 : public AcceptanceTest {
 protected:
  void open_boxes(int loud) {
    deploy({.rules = kLoadRule});
    if (HasFatalFailure()) return;
    quiet_ = make_container({.id = "quiet-box"});
    ASSERT_TRUE(quiet_);
    for (int i = 0; i < loud; ++i) {
      loud_.push_back(make_container({.id = fmt::format("loud-box-{}", i)}));
      ASSERT_TRUE(loud_.back());
    }
    for (Container* box : {loud_[0].get(), quiet_.get()})
      ASSERT_EQ(box->run({"listener", "4400", "1"})->exit_code, 0);
    for (const auto& box : loud_) alerts_so_far(*box);
    alerts_so_far(*quiet_);
  }

  // Whether a machine's agent keeps up depends on the machine: here it cannot, for nobody reads.
  void hold_agent() {
    deployment().agent().signal(SIGSTOP);
    const std::string stat = fmt::format("/proc/{}/stat", deployment().agent_pid());
    ASSERT_TRUE(until([&] {
      return read_file(stat).value_or("").find(") T ") != std::string::npos;
    })) << "the agent does not stop";
  }

  // All loud ones flood; while they do, processes run in the quiet one and a shell goes out of it
  // and of a loud one.
  void attack_in_the_flood() {
    std::vector<Container::Job> floods;
    for (const auto& box : loud_) {
      auto flood = box->launch({"flood", kFloodMs});
      ASSERT_TRUE(flood.ok()) << flood.status();
      floods.push_back(*flood);
    }
    for (const auto& box : loud_)
      ASSERT_TRUE(until([&] { return read_file(box->written("/tmp/flood.begun")).ok(); }));
    auto load = launch_load(*quiet_, kProcesses, 5000);
    ASSERT_TRUE(load.ok()) << load.status();
    auto elsewhere = quiet_->launch({"reverse_shell", "dup2", "4400"});
    auto inside = loud_[0]->launch({"reverse_shell", "dup2", "4400"});
    ASSERT_TRUE(elsewhere.ok() && inside.ok());
    EXPECT_TRUE(quiet_->wait_for(*elsewhere).ok());
    EXPECT_TRUE(loud_[0]->wait_for(*inside).ok());
    for (const auto& box : loud_)
      EXPECT_FALSE(read_file(box->written("/tmp/flood")).ok()) << "the flood ended too early";
    EXPECT_TRUE(gave_a_shell(*quiet_));
    EXPECT_TRUE(gave_a_shell(*loud_[0]));
    EXPECT_EQ(quiet_->wait_for(*load).value_or(-1), 0);
    for (size_t i = 0; i < loud_.size(); ++i) {
      EXPECT_EQ(loud_[i]->wait_for(floods[i]).value_or(-1), 0);
      fmt::print("loud box {} made: {}\n", i,
                 read_file(loud_[i]->written("/tmp/flood")).value_or(""));
    }
  }
  // Nothing else tells that the agent has read on: a mark may be lost as long as the ring is full.
  void expect_both_attacks() {
    for (const Container* box : {quiet_.get(), loud_[0].get()}) {
      auto told = deployment().alerts().all_until("the attack in " + box->id(), [&](const Alert&) {
        return !by_rule(seen(*box), "reverse_shell").empty();
      });
      EXPECT_TRUE(told.ok()) << told.status();
      EXPECT_EQ(by_rule(distinct(seen(*box)), "reverse_shell").size(), 1u);
    }
  }
  void expect_nothing_lost_of_the_quiet_one() {
    alerts_so_far(*quiet_);
    EXPECT_EQ(load_alerts(seen(*quiet_)).size(), static_cast<size_t>(kProcesses));
    EXPECT_TRUE(blind_spots(seen(*quiet_)).empty()) << Alert(blind_spots(seen(*quiet_))).dump(1);
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

  std::unique_ptr<Container> quiet_;
  std::vector<std::unique_ptr<Container>> loud_;
};

TEST_F(RO1, TheLoudOneLosesItsOwnAndHidesNothing) {
  open_boxes(1);
  if (HasFatalFailure()) return;
  hold_agent();
  if (HasFatalFailure()) return;
  attack_in_the_flood();
  deployment().agent().signal(SIGCONT);
  if (HasFatalFailure()) return;
  expect_both_attacks();
  if (HasFatalFailure()) return;
  expect_nothing_lost_of_the_quiet_one();
  auto told = deployment().alerts().all_until("what the loud one lost", [&](const Alert&) {
    return !blind_spots(seen(*loud_[0])).empty();
  });
  EXPECT_TRUE(told.ok()) << told.status();
  for (const Alert& alert : blind_spots(seen(*loud_[0])))
    fmt::print("lost by the loud one: {}\n", alert["fields"].dump());
}

// At full speed, and the agent reads as well as this machine lets it.
TEST_F(RO1, SeveralLoudOnesTakeNothingFromAQuietOne) {
  open_boxes(kLoud);
  if (HasFatalFailure()) return;
  attack_in_the_flood();
  if (HasFatalFailure()) return;
  expect_both_attacks();
  if (HasFatalFailure()) return;
  expect_nothing_lost_of_the_quiet_one();
}

// Nobody reads: what they lose is theirs, what calls for somebody has its place.
TEST_F(RO1, SeveralLoudOnesHideNoAttackFromAnAgentThatStands) {
  open_boxes(kLoud);
  if (HasFatalFailure()) return;
  hold_agent();
  if (HasFatalFailure()) return;
  attack_in_the_flood();
  deployment().agent().signal(SIGCONT);
  if (HasFatalFailure()) return;
  expect_both_attacks();
}

}  // namespace
}  // namespace picket::test
