// Out-of-memory kills on real kernel events, in a memory cgroup of the test's own.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

constexpr size_t kLimit = 32 << 20;
constexpr size_t kTooMuch = 3 * kLimit;
constexpr size_t kStep = 1 << 20;

// Bounds the memory of whoever joins: in the v1 hierarchy where the machine has one, else in the
// test's own v2 cgroup.
class MemoryBound {
 public:
  explicit MemoryBound(const TestCgroup& box) {
    const std::filesystem::path v1 = "/sys/fs/cgroup/memory";
    if (std::filesystem::exists(v1 / "memory.limit_in_bytes")) {
      own_ = v1 / ("picket-test-" + std::to_string(getpid()));
      std::filesystem::create_directory(own_);
      write(own_ / "memory.limit_in_bytes");
      std::ofstream(own_ / "memory.memsw.limit_in_bytes") << kLimit;  // only where swap is counted
      procs_ = own_ / "cgroup.procs";
      return;
    }
    const std::filesystem::path above = std::filesystem::path(box.directory()).parent_path();
    for (const auto& each : {above.parent_path(), above})
      std::ofstream(each / "cgroup.subtree_control") << "+memory";
    write(std::filesystem::path(box.directory()) / "memory.max");
    std::ofstream(std::filesystem::path(box.directory()) / "memory.swap.max") << 0;
  }
  ~MemoryBound() {
    std::error_code error;
    if (!own_.empty()) std::filesystem::remove(own_, error);
  }
  // After fork().
  bool join() const { return procs_.empty() || live::join(procs_); }

 private:
  static void write(const std::filesystem::path& file) {
    std::ofstream out(file);
    out << kLimit << std::flush;
    EXPECT_TRUE(out) << file;
  }
  std::filesystem::path own_;
  std::string procs_;
};

// At most `bytes`; the pages are written, so that they count.
bool take(size_t bytes) {
  for (size_t taken = 0; taken < bytes; taken += kStep) {
    void* memory = mmap(nullptr, kStep, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) return false;
  }
  return true;
}

class Oom : public LiveSensorTest {};

TEST_F(Oom, WhoTakesTooMuchIsTold) {
  share();
  const auto box = workspace();
  const MemoryBound bound(*box);
  Child greedy = spawn_in(*box, [&] { return bound.join() && take(kTooMuch) ? 0 : 1; });
  const pid_t pid = greedy.pid();
  const int status = greedy.wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const std::optional<Event> event = wait_for(of(PK_OOM, pid));
  ASSERT_TRUE(event);
  const pk_oom* oom = event->as<pk_oom>();
  EXPECT_EQ(oom->header.cgroup_id, box->id());
  EXPECT_NE(oom->header.start_ns, 0u);
  EXPECT_EQ(oom->trigger_pid, static_cast<uint32_t>(pid));
  EXPECT_EQ(oom->trigger_cgroup_id, box->id());
  EXPECT_GT(oom->total_vm, kLimit / 2);
  ASSERT_TRUE(drain_until_exit(pid));
  EXPECT_EQ(count(of(PK_OOM, pid)), 1u);
  EXPECT_EQ(select(of(PK_EXIT, pid))[0].as<pk_exit>()->signal, static_cast<uint32_t>(SIGKILL));
}

TEST_F(Oom, VictimIsToldWhoeverAskedForTheMemory) {
  share();
  const auto box = workspace();
  const MemoryBound bound(*box);
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  Child victim = spawn_in(*box, [&] {
    std::ofstream("/proc/self/oom_score_adj") << 1000;
    if (!bound.join() || !take(kLimit / 2)) return 1;
    (void)!write(ready[1], "x", 1);
    pause();
    return 0;
  });
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  // What the victim leaves is not there at once. Whoever asks may be chosen meanwhile, unless it
  // can be kept from that, which takes CAP_SYS_RESOURCE.
  Child asking = spawn_in(*box, [&] {
    std::ofstream("/proc/self/oom_score_adj") << -1000;
    return bound.join() && take(kLimit * 3 / 4) ? 0 : 1;
  });
  const pid_t victim_pid = victim.pid(), asking_pid = asking.pid();
  const int asked = asking.wait();
  const int status = victim.wait();
  close(ready[0]), close(ready[1]);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const std::optional<Event> event = wait_for(of(PK_OOM, victim_pid));
  ASSERT_TRUE(event);
  const pk_oom* oom = event->as<pk_oom>();
  EXPECT_EQ(oom->trigger_pid, static_cast<uint32_t>(asking_pid));
  EXPECT_EQ(oom->score_adjust, 1000);
  EXPECT_EQ(oom->header.cgroup_id, box->id());
  ASSERT_TRUE(drain_until_exit(asking_pid));
  EXPECT_EQ(count(of(PK_OOM, asking_pid)), WIFSIGNALED(asked) ? 1u : 0u);
}

TEST_F(Oom, OtherKillsAreNotTold) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    raise(SIGKILL);
    return 0;
  });
  const pid_t pid = child.pid();
  child.wait();
  ASSERT_TRUE(drain_until_exit(pid));
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_OOM; }), 0u);
}

}  // namespace
}  // namespace picket::live
