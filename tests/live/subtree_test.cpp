// Kill of a subtree that daemonises: its members outlive their parents, so that /proc forgets whose
// they are. The real sensor and pipeline know; cgroups of the test's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "agent/app/pipeline.h"
#include "agent/respond/system_responder.h"
#include "live_sensor.h"
#include "tests/support/patience.h"
#include "tests/unit/rule_fixture.h"

namespace picket::live {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

const std::chrono::seconds kDeadline{30 * test::patience()};

struct NoOutlet final : Outlet {
  void publish(v1::Envelope, Priority) override {}
  void judged_until(uint64_t) override {}
};

class SubtreeTest : public LiveSensorTest {
 protected:
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    shared_ = static_cast<std::atomic<uint64_t>*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(shared_, MAP_FAILED);
    const CgroupMounts mounts = cgroup_mounts();
    cgroups_.emplace(mounts.v2, mounts.v1_freezer);
    start();
    if (HasFatalFailure()) return;
    cgroup_ = workspace();
    workspace_.cgroup_id = cgroup_->id();
    workspace_.cgroup = cgroup_->path();
    workspace_.id = workspace_.name = workspace_.image = "subtree";
    run_pipeline();
  }
  void TearDown() override {
    if (shared_ != nullptr) shared_[kStop] = 1;
    stop_ = true;
    if (sensor_) sensor_->wake();
    if (thread_.joinable()) thread_.join();
    LiveSensorTest::TearDown();
  }

  void run_pipeline() {
    PipelineParts parts(clock_, outlet_, registry_, "boot");
    parts.respond = [](Verdict) { return true; };
    parts.losses = [] { return std::vector<RecordLoss>(); };
    parts.identify = [this](uint64_t id, std::string, uint32_t) {
      Workspace other;
      other.id = other.name = other.image = "other";
      pipeline_->post(IdentityAnswer{id, id == workspace_.cgroup_id ? workspace_ : other});
    };
    parts.record = [this](std::span<const std::byte> record) {
      const auto event = Event::parse(record);
      const std::lock_guard lock(mutex_);
      starts_[event->header().pid] = event->header().start_ns;
    };
    pipeline_ =
        std::make_unique<Pipeline>(std::move(parts), EnricherOptions{},
                                   rules_of(rule_with("evt.type = execve and proc.name = nobody")));
    thread_ = std::thread([this] { (void)pipeline_->run(*sensor_, stop_); });
  }

  Response kill_subtree_of(pid_t pid, AskFamily family) {
    SystemResponder responder(
        *cgroups_, clock_, [this](uint64_t) { return std::optional(workspace_); },
        {.max_per_minute = 1000}, std::move(family));
    Verdict verdict;
    verdict.action = Action::kill;
    verdict.target = {workspace_.cgroup_id, workspace_.id, workspace_.cgroup, key(pid), {}};
    const auto known = pipeline_->ask_family(verdict.target, kDeadline);
    EXPECT_TRUE(known.ok()) << known.status();
    if (known.ok()) verdict.target.descendants = known->descendants;  // as a rule's match finds it
    return responder.carry_out(verdict);
  }
  AskFamily pipelines_family() {
    return [this](const Target& target) {
      return pipeline_->ask_family(target, milliseconds(5000 * test::patience()));
    };
  }
  // As the records name it; the start that /proc shows is rounded.
  ProcessKey key(pid_t pid) {
    const auto known = [&] {
      const std::lock_guard lock(mutex_);
      return starts_[static_cast<uint32_t>(pid)];
    };
    EXPECT_TRUE(eventually([&] { return known() != 0; }));
    return {static_cast<uint32_t>(pid), known()};
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  std::vector<uint32_t> living() const {
    std::vector<uint32_t> pids = cgroups_->processes(workspace_.cgroup);
    std::erase_if(pids, [&](uint32_t pid) {
      const auto stat = cgroups_->stat(pid);
      return !stat || stat->state == 'Z' || stat->state == 'X';
    });
    return pids;
  }
  // Of the child: each generation lets its child live and ends itself, until the test's end.
  void daemonise_for_ever(long pause_ns) {
    while (shared_[kStop] == 0 && shared_[kForks] < 100'000) {
      if (fork() != 0) _exit(0);
      setsid();
      ++shared_[kForks];
      const timespec pause{0, pause_ns};
      if (pause_ns != 0) nanosleep(&pause, nullptr);
    }
    _exit(0);
  }
  Child counting_sibling() {
    return spawn_in(*cgroup_, [this] {
      for (;; ++shared_[kCount]) usleep(100);
      return 0;
    });
  }
  bool counts() {
    const uint64_t before = shared_[kCount];
    return eventually([&] { return shared_[kCount] > before; });
  }

  enum { kStop, kForks, kCount };
  std::atomic<uint64_t>* shared_ = nullptr;  // written by children too
  SystemClock clock_;
  NoOutlet outlet_;
  MetricRegistry registry_;
  std::optional<CgroupFs> cgroups_;
  Workspace workspace_;
  std::mutex mutex_;
  std::map<uint32_t, uint64_t> starts_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<TestCgroup> cgroup_;
  std::unique_ptr<Pipeline> pipeline_;
  std::thread thread_;
};

TEST_F(SubtreeTest, NoDaemonisingDescendantEscapes) {
  const Child sibling = counting_sibling();
  for (int run = 0; run < 12; ++run) {
    constexpr std::array kPauses{2'000'000L, 200'000L, 0L};
    const uint64_t forks = shared_[kForks];
    Child root = spawn_in(*cgroup_, [&] {
      if (fork() == 0) daemonise_for_ever(kPauses[static_cast<size_t>(run) % kPauses.size()]);
      for (;;) pause();
      return 0;
    });
    ASSERT_TRUE(eventually([&] { return shared_[kForks] > forks + 10; }));
    const Response response = kill_subtree_of(root.pid(), pipelines_family());
    EXPECT_TRUE(response.status.ok()) << response.status;
    const uint64_t after = shared_[kForks];
    EXPECT_THAT(living(), ::testing::ElementsAre(static_cast<uint32_t>(sibling.pid())))
        << "run " << run << ", " << response.detail;
    EXPECT_TRUE(WIFSIGNALED(root.wait()));
    EXPECT_TRUE(counts()) << "the sibling is not thawed";
    EXPECT_EQ(shared_[kForks], after);
    if (HasFailure()) return;
  }
}

TEST_F(SubtreeTest, ADoubleForkedDescendantOfAnEndedRootDies) {
  const Child sibling = counting_sibling();
  Child root = spawn_in(*cgroup_, [&] {
    if (fork() == 0) {
      setsid();
      if (fork() == 0) {
        ++shared_[kForks];
        for (;;) pause();
      }
    }
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return shared_[kForks] == 1; }));
  const ProcessKey known = key(root.pid());
  EXPECT_NE(known.start_ns, 0U);
  const pid_t pid = root.pid();
  root.wait();
  ASSERT_TRUE(eventually([&] { return living().size() == 2; })) << "its child never ended";
  const Response response = kill_subtree_of(pid, pipelines_family());
  EXPECT_TRUE(response.status.ok()) << response.status;
  EXPECT_EQ(response.detail, "killed 1 processes");
  EXPECT_THAT(living(), ::testing::ElementsAre(static_cast<uint32_t>(sibling.pid())));
}

TEST_F(SubtreeTest, WhoseDescentIsUnknownMakesTheKillFailAndLives) {
  Child root = spawn_in(*cgroup_, [] { return pause(); });
  key(root.pid());
  const Child later = counting_sibling();
  ASSERT_TRUE(counts());
  const Response response = kill_subtree_of(root.pid(), [](const Target&) { return Family{}; });
  EXPECT_FALSE(response.status.ok());
  EXPECT_THAT(
      std::string(response.status.message()),
      HasSubstr("killed 1 processes; 0 descendants live, and 1 whose descent is not known"));
  EXPECT_TRUE(WIFSIGNALED(root.wait()));
  EXPECT_TRUE(counts()) << "not thawed";
}

TEST_F(SubtreeTest, AnAnswerThatDoesNotComeMakesTheKillFail) {
  Child root = spawn_in(*cgroup_, [] { return pause(); });
  const Response response = kill_subtree_of(root.pid(), [](const Target&) {
    return absl::StatusOr<Family>(absl::DeadlineExceededError("busy"));
  });
  EXPECT_THAT(std::string(response.status.message()),
              HasSubstr("whether more descend from them is not known: busy"));
  EXPECT_TRUE(WIFSIGNALED(root.wait()));
}

}  // namespace
}  // namespace picket::live
