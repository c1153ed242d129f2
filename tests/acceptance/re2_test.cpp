// RE2: a rule that asks for a kill ends the subtree that matched and nothing else; the collector
// learns of it.
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

constexpr int kFamilies = 9;
constexpr size_t kFamilySize = 1 + 3 + 3;  // processes family 3: a root, its children, theirs

std::vector<uint32_t> descendants_of(uint32_t root, const std::vector<uint32_t>& among) {
  std::vector<uint32_t> family = {root};
  for (size_t i = 0; i < family.size(); ++i)
    for (uint32_t pid : among) {
      std::ifstream status(fmt::format("/proc/{}/status", pid));
      for (std::string line; std::getline(status, line);)
        if (line == fmt::format("PPid:\t{}", family[i])) family.push_back(pid);
    }
  return family;
}

class RE2 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // Names this container: the rule can match nothing else on the machine.
    deploy({.rules = rule("test.kill",
                          "evt.type = connect and fd.rport = 4400 and workspace.id = re2-victim",
                          "  respond: kill\n"),
            .shipped_rules = false,
            .respond = true});
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "re2-victim"});
    ASSERT_TRUE(container_);
    ASSERT_EQ(container_->run({"listener", "4400", "1"})->exit_code, 0);
  }

  std::unique_ptr<Container> container_;
};

TEST_F(RE2, OnlyTheMatchingSubtreeDies) {
  auto innocent = container_->launch({"processes", "family", "3", "0"});
  ASSERT_TRUE(innocent.ok()) << innocent.status();
  std::vector<int64_t> took_us;
  for (int round = 0; round < kFamilies; ++round) {
    auto guilty = container_->launch({"processes", "family", "3", "4400"});
    ASSERT_TRUE(guilty.ok()) << guilty.status();
    EXPECT_EQ(container_->wait_for(*guilty).value_or(0), 128 + SIGKILL);
    // Its children had been there before it connected; none outlives it.
    auto result = stored_results(deployment().database(), static_cast<size_t>(round) + 1);
    ASSERT_TRUE(result.ok()) << result.status();
    const v1::CommandResult& last = result->back();
    EXPECT_TRUE(last.ok()) << last.DebugString();
    EXPECT_EQ(last.action(), v1::ACTION_KILL);
    EXPECT_EQ(last.workspace_id(), "re2-victim");
    EXPECT_FALSE(last.dry_run());
    took_us.push_back(last.took_us());
    if (HasFailure()) return;
  }

  // What is left: the container's init, the listener, and the family that did nothing.
  std::vector<uint32_t> left = container_->pids();
  std::vector<uint32_t> family = descendants_of(innocent->pid, left);
  EXPECT_EQ(family.size(), kFamilySize);
  EXPECT_EQ(left.size(), kFamilySize + 2);

  auto alerts = distinct(by_rule(alerts_so_far(*container_), "test.kill"));
  EXPECT_EQ(alerts.size(), static_cast<size_t>(kFamilies));
  for (const Alert& alert : alerts) {
    expect_identity(alert, *container_);
    EXPECT_EQ(alert["action"], "kill");
  }
  std::nth_element(took_us.begin(), took_us.begin() + kFamilies / 2, took_us.end());
  RecordProperty("median_event_to_signal_us", std::to_string(took_us[kFamilies / 2]));
  fmt::print("median from event to signal: {} us of {} kills\n", took_us[kFamilies / 2], kFamilies);
}

TEST_F(RE2, NoDaemonEscapes) {
  for (size_t round = 1; round <= 5; ++round) {
    auto guilty = container_->launch({"processes", "daemons", "4400"});
    ASSERT_TRUE(guilty.ok()) << guilty.status();
    EXPECT_EQ(container_->wait_for(*guilty).value_or(0), 128 + SIGKILL);
    auto result = stored_results(deployment().database(), round);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->back().ok()) << result->back().DebugString();
    // Who is dying is still one of them for a moment; who escaped stays.
    EXPECT_TRUE(until([&] { return container_->pids().size() == 2; }))
        << container_->pids().size() << " are left, not the container's init and the listener";
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace picket::test
