// Kill, freeze and thaw on real processes, in cgroups of the test's own.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "agent/respond/system_responder.h"
#include "live_sensor.h"
#include "tests/support/patience.h"

namespace picket::live {
namespace {

const std::chrono::seconds kDeadline{30 * test::patience()};

class RespondLiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_live(); !why.empty()) {
      if (getenv("CI") != nullptr) FAIL() << why;
      GTEST_SKIP() << why;
    }
    mounts_ = cgroup_mounts();
    cgroups_.emplace(mounts_.v2, mounts_.v1_freezer);
    auto tree = CgroupTree::find("cgroup2 " + mounts_.v2.string() + " cgroup2 rw 0 0\n");
    ASSERT_TRUE(tree.ok()) << tree.status();
    cgroup_ = std::make_unique<TestCgroup>(*tree, "/picket-respond-" + std::to_string(getpid()));
    workspace_.cgroup_id = cgroup_->id();
    workspace_.cgroup = cgroup_->path();
    workspace_.id = "respond";
    responder_ = std::make_unique<SystemResponder>(
        *cgroups_, clock_,
        [this](uint64_t id) {
          return id == workspace_.cgroup_id ? std::optional(workspace_) : std::nullopt;
        },
        SystemResponder::Options{.max_per_minute = 1000});
    shared_ = static_cast<std::atomic<uint64_t>*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(shared_, MAP_FAILED);
  }
  void TearDown() override {
    if (shared_ != nullptr) munmap(shared_, 4096);
  }

  Verdict verdict(Action action, ProcessKey process = {}) const {
    Verdict verdict;
    verdict.action = action;
    verdict.target = {workspace_.cgroup_id, workspace_.id, workspace_.cgroup, process, {}};
    return verdict;
  }
  ProcessKey key(pid_t pid) const {
    const auto stat = cgroups_->stat(static_cast<uint32_t>(pid));
    return {static_cast<uint32_t>(pid),
            stat
                ? stat->start_ticks * (1'000'000'000U / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)))
                : 0};
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + kDeadline;
         std::chrono::steady_clock::now() < end;) {
      if (condition()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  size_t living() const {
    size_t count = 0;
    for (const uint32_t pid : cgroups_->processes(workspace_.cgroup)) {
      const auto stat = cgroups_->stat(pid);
      count += stat && stat->state != 'Z' && stat->state != 'X';
    }
    return count;
  }

  SystemClock clock_;
  CgroupMounts mounts_;
  std::optional<CgroupFs> cgroups_;
  std::unique_ptr<TestCgroup> cgroup_;
  Workspace workspace_;
  std::unique_ptr<SystemResponder> responder_;
  std::atomic<uint64_t>* shared_ = nullptr;  // written by children
};

TEST_F(RespondLiveTest, FreezeStopsEveryTaskAndThawRestoresThem) {
  std::atomic<uint64_t>& counter = shared_[0];
  const Child child = spawn_in(*cgroup_, [&] {
    for (;;) {
      counter.fetch_add(1);
      sched_yield();
    }
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return counter.load() > 100; }));
  const Response frozen = responder_->carry_out(verdict(Action::freeze));
  ASSERT_TRUE(frozen.status.ok()) << frozen.status;
  const uint64_t before = counter.load();
  // Another process of the same priority gets this much done meanwhile; a frozen one nothing.
  for (int i = 0; i < 1000; ++i) sched_yield();
  EXPECT_EQ(counter.load(), before);
  const Response thawed = responder_->carry_out(verdict(Action::thaw));
  ASSERT_TRUE(thawed.status.ok()) << thawed.status;
  EXPECT_TRUE(eventually([&] { return counter.load() > before; }));
  EXPECT_TRUE(responder_->carry_out(verdict(Action::kill)).status.ok());
}

TEST_F(RespondLiveTest, FreezeOf200SleepersIsConfirmed) {
  std::vector<Child> sleepers;
  for (int i = 0; i < 200; ++i) sleepers.push_back(spawn_in(*cgroup_, [] { return pause(); }));
  ASSERT_TRUE(eventually([&] { return living() == 200; }));
  EXPECT_TRUE(responder_->carry_out(verdict(Action::freeze)).status.ok());
  // Frozen or not, a workspace can be killed.
  const Response killed = responder_->carry_out(verdict(Action::kill));
  EXPECT_TRUE(killed.status.ok()) << killed.status;
  for (Child& sleeper : sleepers) EXPECT_TRUE(WIFSIGNALED(sleeper.wait()));
  EXPECT_TRUE(responder_->carry_out(verdict(Action::thaw)).status.ok());
}

TEST_F(RespondLiveTest, KillTakesTheSubtreeAndLeavesSiblings) {
  std::atomic<uint64_t>& ready = shared_[0];
  Child sibling = spawn_in(*cgroup_, [] { return pause(); });
  Child root = spawn_in(*cgroup_, [&] {
    for (int i = 0; i < 3; ++i) {
      if (fork() != 0) continue;
      if (fork() == 0) ready.fetch_add(1);
      ready.fetch_add(1);
      for (;;) pause();
    }
    for (;;) pause();
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return ready.load() == 9; }));  // a grandchild adds twice
  const Response response = responder_->carry_out(verdict(Action::kill, key(root.pid())));
  ASSERT_TRUE(response.status.ok()) << response.status;
  EXPECT_EQ(response.detail, "killed 7 processes");
  EXPECT_TRUE(WIFSIGNALED(root.wait()));
  EXPECT_TRUE(eventually([&] { return living() == 1; }));
  EXPECT_EQ(kill(sibling.pid(), 0), 0);
}

TEST_F(RespondLiveTest, AForkingSubtreeDoesNotEscape) {
  std::atomic<uint64_t>& forks = shared_[0];
  // Each process forks one child and ends: the root is long gone when the chain's head runs.
  // Bounded to 200 forks.
  Child root = spawn_in(*cgroup_, [&] {
    while (forks.load() < 200) {
      if (fork() == 0) {
        forks.fetch_add(1);
        sched_yield();
        continue;
      }
      sched_yield();
    }
    for (;;) pause();
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return forks.load() > 20; }));
  const Response response = responder_->carry_out(verdict(Action::kill, key(root.pid())));
  ASSERT_TRUE(response.status.ok()) << response.status;
  EXPECT_TRUE(eventually([&] { return living() == 0; })) << living() << " processes escaped";
}

TEST_F(RespondLiveTest, AReusedPidIsNotKilled) {
  Child process = spawn_in(*cgroup_, [] { return pause(); });
  ProcessKey stale = key(process.pid());
  stale.start_ns -= 1'000'000'000;
  const Response response = responder_->carry_out(verdict(Action::kill, stale));
  EXPECT_TRUE(response.status.ok()) << response.status;
  EXPECT_NE(response.detail.find("already ended"), std::string::npos) << response.detail;
  EXPECT_EQ(kill(process.pid(), 0), 0);
}

TEST_F(RespondLiveTest, AProcessOutsideIsRefused) {
  Child outside = spawn([] { return pause(); });
  const Response response = responder_->carry_out(verdict(Action::kill, key(outside.pid())));
  EXPECT_TRUE(absl::IsPermissionDenied(response.status)) << response.status;
  EXPECT_EQ(kill(outside.pid(), 0), 0);
}

TEST_F(RespondLiveTest, AV1FreezerFreezesToo) {
  if (mounts_.v1_freezer.empty()) GTEST_SKIP() << "no v1 freezer hierarchy is mounted here";
  const std::string name = "/picket-v1-" + std::to_string(getpid());
  const std::filesystem::path directory = mounts_.v1_freezer.string() + name;
  ASSERT_TRUE(std::filesystem::create_directory(directory));
  std::atomic<uint64_t>& counter = shared_[0];
  Child child = spawn([&] {
    if (!join((directory / "cgroup.procs").string())) return 1;
    for (;;) counter.fetch_add(1);
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return counter.load() > 100; }));
  EXPECT_TRUE(cgroups_->set_frozen(name, true, std::chrono::seconds(5)).ok());
  const uint64_t before = counter.load();
  for (int i = 0; i < 1000; ++i) sched_yield();
  EXPECT_EQ(counter.load(), before);
  EXPECT_TRUE(cgroups_->set_frozen(name, false, std::chrono::seconds(5)).ok());
  EXPECT_TRUE(eventually([&] { return counter.load() > before; }));
  kill(child.pid(), SIGKILL);
  child.wait();
  EXPECT_TRUE(eventually([&] { return rmdir(directory.c_str()) == 0 || errno != EBUSY; }));
}

TEST_F(RespondLiveTest, KillEndsWhatTheV1FreezerHolds) {
  if (mounts_.v1_freezer.empty()) GTEST_SKIP() << "no v1 freezer hierarchy is mounted here";
  const std::filesystem::path directory = mounts_.v1_freezer.string() + workspace_.cgroup;
  ASSERT_TRUE(std::filesystem::create_directories(directory / "inner"));
  std::atomic<uint64_t>& counter = shared_[0];
  std::vector<Child> children;
  for (const auto& where : {directory, directory / "inner"}) {
    children.push_back(spawn_in(*cgroup_, [&] {
      if (!join((where / "cgroup.procs").string())) return 1;
      for (counter.fetch_add(1);;) pause();
      return 0;
    }));
  }
  EXPECT_TRUE(eventually([&] { return counter.load() == 2; }));
  const auto freeze = [&](const std::string& cgroup) {
    std::ofstream(mounts_.v1_freezer.string() + cgroup + "/freezer.state") << "FROZEN";
    EXPECT_TRUE(eventually([&] { return cgroups_->is_frozen(cgroup); }));
  };
  freeze(workspace_.cgroup + "/inner");
  freeze(workspace_.cgroup);
  const Response killed = responder_->carry_out(verdict(Action::kill));
  EXPECT_TRUE(killed.status.ok()) << killed.status;
  if (!killed.status.ok()) {  // or the wait would not end
    std::ofstream(directory / "freezer.state") << "THAWED";
    std::ofstream(directory / "inner" / "freezer.state") << "THAWED";
  }
  for (Child& child : children) EXPECT_TRUE(WIFSIGNALED(child.wait()));
  for (const auto& where : {directory / "inner", directory})
    EXPECT_TRUE(eventually([&] { return rmdir(where.c_str()) == 0 || errno != EBUSY; }));
}

}  // namespace
}  // namespace picket::live
