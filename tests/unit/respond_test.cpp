// Policy, guard and the cgroup door on made-up trees: nothing of this machine is touched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/respond/guard.h"
#include "agent/respond/policy.h"
#include "agent/respond/system_responder.h"

namespace picket {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint32_t kAgent = 500;
constexpr uint32_t kShell = 700;

struct FakeClock final : Clock {
  uint64_t now = 100 * kSecond;
  uint64_t boot_ns() const override { return now; }
  uint64_t wall_ns() const override { return now; }
};

class RespondTest : public testing::Test {
 protected:
  RespondTest()
      : root_(fs::temp_directory_path() / ("picket-respond-" + std::to_string(getpid()))) {
    write("cgroup/ws/cgroup.procs", "700\n");
    write("cgroup/ws/cgroup.freeze", "0");
    write("cgroup/ws/cgroup.events", "populated 1\nfrozen 0\n");
    write("freezer/old/freezer.state", "THAWED");
    process(kAgent, "/system/picketd", 40 * ticks_);
    process(kShell, "/ws", 50 * ticks_);
    workspace_.cgroup_id = cgroups_.id("/ws");
    workspace_.id = "ws";
    workspace_.cgroup = "/ws";
  }
  ~RespondTest() override { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  void process(uint32_t pid, const std::string& cgroup, uint64_t start_ticks) {
    std::string stat = std::to_string(pid) + " (a) b) S 1";
    for (int field = 5; field < 22; ++field) stat += " 0";
    write("proc/" + std::to_string(pid) + "/stat",
          stat + " " + std::to_string(start_ticks) + " 0\n");
    write("proc/" + std::to_string(pid) + "/cgroup", "1:name=x:/elsewhere\n0::" + cgroup + "\n");
  }
  Guard guard(uint64_t max_per_minute = 3) {
    return Guard(
        cgroups_, clock_,
        [this](uint64_t id) {
          return id == workspace_.cgroup_id ? std::optional(workspace_) : std::nullopt;
        },
        max_per_minute, kAgent);
  }
  Verdict verdict(Action action) const {
    Verdict verdict;
    verdict.action = action;
    verdict.target = {workspace_.cgroup_id, "ws", "/ws", {}, {}};
    return verdict;
  }

  const uint64_t ticks_ = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  const fs::path root_;
  const CgroupFs cgroups_{root_ / "cgroup", root_ / "freezer", {}, root_ / "proc"};
  FakeClock clock_;
  Workspace workspace_;
};

TEST_F(RespondTest, CgroupsOfProcessesAreThoseOfTheTreeInACgroupNamespaceToo) {
  process(kAgent, "/", 40 * ticks_);
  process(kShell, "/../../ws/inner", 50 * ticks_);
  const CgroupFs inside(root_ / "cgroup", {}, "/pods/agent", root_ / "proc");
  EXPECT_EQ(inside.cgroup_of(kAgent), "/pods/agent");
  EXPECT_EQ(inside.cgroup_of(kShell), "/ws/inner");
  EXPECT_EQ(cgroups_.cgroup_of(kAgent), "/");
}

TEST_F(RespondTest, PolicyTurnsAFindingIntoAVerdict) {
  Finding finding;
  finding.rule = "reverse_shell";
  finding.respond = Action::kill;
  finding.process.key = {kShell, 50 * kSecond};
  const Verdict verdict = ResponsePolicy().decide(finding, workspace_);
  EXPECT_EQ(verdict.action, Action::kill);
  EXPECT_EQ(verdict.target.cgroup, "/ws");
  EXPECT_EQ(verdict.target.process.pid, kShell);
  EXPECT_FALSE(verdict.dry_run);
  EXPECT_TRUE(
      ResponsePolicy({.enabled = true, .dry_run = true}).decide(finding, workspace_).dry_run);
}

TEST_F(RespondTest, PolicyDoesNothingUnasked) {
  Finding finding;
  EXPECT_EQ(ResponsePolicy().decide(finding, workspace_).action, Action::none);
  finding.respond = Action::freeze;
  EXPECT_EQ(ResponsePolicy({.enabled = false, .dry_run = false}).decide(finding, workspace_).action,
            Action::none);
  EXPECT_EQ(ResponsePolicy().decide(finding, Workspace{}).action, Action::none);
}

TEST_F(RespondTest, GuardAdmitsWhatIsWatched) {
  EXPECT_TRUE(guard().admit(verdict(Action::freeze)).ok());
}

TEST_F(RespondTest, GuardRefusesWhatIsNotWatched) {
  Verdict other = verdict(Action::kill);
  other.target.cgroup_id += 1;
  EXPECT_THAT(std::string(guard().admit(other).message()), HasSubstr("not a watched workspace"));
  Verdict root = verdict(Action::kill);
  root.target.cgroup = "/";
  EXPECT_THAT(std::string(guard().admit(root).message()), HasSubstr("does not live in"));
}

TEST_F(RespondTest, GuardRefusesACgroupThatWasReplaced) {
  workspace_.cgroup_id += 1;  // the id the agent knows is no longer the directory's
  EXPECT_THAT(std::string(guard().admit(verdict(Action::kill)).message()),
              HasSubstr("another one took its place"));
}

TEST_F(RespondTest, GuardRefusesTheAgentsOwnCgroup) {
  process(kAgent, "/ws/inner", 40 * ticks_);
  EXPECT_THAT(std::string(guard().admit(verdict(Action::kill)).message()),
              HasSubstr("the agent itself"));
}

TEST_F(RespondTest, GuardBoundsActionsPerMinuteButNeverThaws) {
  Guard bounded = guard(2);
  EXPECT_TRUE(bounded.admit(verdict(Action::kill)).ok());
  EXPECT_TRUE(bounded.admit(verdict(Action::kill)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(bounded.admit(verdict(Action::kill))));
  EXPECT_TRUE(bounded.admit(verdict(Action::thaw)).ok());
  clock_.now += 61 * kSecond;
  EXPECT_TRUE(bounded.admit(verdict(Action::kill)).ok());
}

TEST_F(RespondTest, WhatRulesUseUpIsNotTakenFromOperators) {
  Guard bounded = guard(2);
  Verdict order = verdict(Action::freeze);
  order.command = "c-1";
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bounded.admit(verdict(Action::kill)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(bounded.admit(verdict(Action::kill))));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bounded.admit(order).ok());
  EXPECT_THAT(std::string(bounded.admit(order).message()), HasSubstr("2 actions of operators"));
}

TEST_F(RespondTest, ADryRunUsesNothingUp) {
  Guard bounded = guard(1);
  Verdict rehearsal = verdict(Action::kill);
  rehearsal.dry_run = true;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bounded.admit(rehearsal).ok());
  EXPECT_TRUE(bounded.admit(verdict(Action::kill)).ok());
}

TEST_F(RespondTest, FrozenIsWhatEitherHierarchySays) {
  EXPECT_FALSE(cgroups_.is_frozen("/ws"));
  EXPECT_FALSE(cgroups_.is_frozen("/none"));
  write("cgroup/ws/cgroup.events", "populated 1\nfrozen 1\n");
  EXPECT_TRUE(cgroups_.is_frozen("/ws"));
  write("cgroup/old/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_FALSE(cgroups_.is_frozen("/old"));
  write("freezer/old/freezer.state", "FROZEN\n");
  EXPECT_TRUE(cgroups_.is_frozen("/old"));
}

TEST_F(RespondTest, GuardKnowsTheProcessByItsStart) {
  const Guard checked = guard();
  const Verdict kill = verdict(Action::kill);
  EXPECT_TRUE(checked.admit_process(kill, {kShell, 50 * kSecond}).ok());
  EXPECT_TRUE(absl::IsNotFound(checked.admit_process(kill, {kShell, 51 * kSecond})));
  EXPECT_TRUE(absl::IsNotFound(checked.admit_process(kill, {999, 50 * kSecond})));
  EXPECT_TRUE(absl::IsPermissionDenied(checked.admit_process(kill, {1, 0})));
  EXPECT_TRUE(absl::IsPermissionDenied(checked.admit_process(kill, {0, 0})));
  EXPECT_TRUE(absl::IsPermissionDenied(checked.admit_process(kill, {kAgent, 40 * kSecond})));
}

TEST_F(RespondTest, GuardRefusesAProcessOutsideTheWorkspace) {
  process(kShell, "/ws-two", 50 * ticks_);  // shares the first letters only
  const absl::Status status = guard().admit_process(verdict(Action::kill), {kShell, 50 * kSecond});
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

TEST_F(RespondTest, FreezeWaitsForTheKernelsWord) {
  const absl::Status status = cgroups_.set_frozen("/ws", true, std::chrono::milliseconds(30));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  write("cgroup/ws/cgroup.events", "populated 1\nfrozen 1\n");
  EXPECT_TRUE(cgroups_.set_frozen("/ws", true, std::chrono::milliseconds(30)).ok());
}

TEST_F(RespondTest, WithoutCgroupFreezeTheV1FreezerIsAsked) {
  fs::create_directories(root_ / "cgroup/old");
  // The made-up file answers what was written, without the kernel's line end: the deadline passes,
  // the wish was written.
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(cgroups_.set_frozen("/old", true, std::chrono::milliseconds(20))));
  std::string state;
  std::ifstream(root_ / "freezer/old/freezer.state") >> state;
  EXPECT_TRUE(state.starts_with("FROZEN")) << state;
  EXPECT_TRUE(absl::IsNotFound(cgroups_.set_frozen("/none", true, std::chrono::milliseconds(20))));
}

TEST_F(RespondTest, MountTableNamesBothHierarchies) {
  write("mounts",
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/freezer cgroup "
        "rw,relatime,freezer 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
  const CgroupMounts mounts = cgroup_mounts(root_ / "mounts");
  EXPECT_EQ(mounts.v2, "/sys/fs/cgroup/unified");
  EXPECT_EQ(mounts.v1_freezer, "/sys/fs/cgroup/freezer");
}

TEST_F(RespondTest, ADryRunTouchesNothing) {
  SystemResponder responder(cgroups_, clock_,
                            [this](uint64_t) { return std::optional(workspace_); }, {});
  Verdict freeze = verdict(Action::freeze);
  freeze.dry_run = true;
  // The guard asks for this test's own process, which is not in the made-up /proc.
  process(static_cast<uint32_t>(getpid()), "/system", ticks_);
  const Response response = responder.carry_out(freeze);
  EXPECT_TRUE(response.status.ok()) << response.status;
  EXPECT_THAT(response.detail, HasSubstr("dry run"));
  std::string written;
  std::ifstream(root_ / "cgroup/ws/cgroup.freeze") >> written;
  EXPECT_EQ(written, "0");
}

}  // namespace
}  // namespace picket
