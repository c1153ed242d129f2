// Who wakes the reader: what the rules call urgent, and the first record after a silence. Counted,
// not timed: the machine may run workspaces of its own meanwhile, whose records wake too, so "wakes
// nobody" is proven by one quiet round of many.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

constexpr int kRounds = 50;
constexpr std::chrono::milliseconds kNoWait{0};

Urgency nothing_urgent() { return {}; }

int run_true() {
  execl("/bin/true", "true", nullptr);
  return 127;
}

class Waking : public LiveSensorTest {
 protected:
  // Runs a process to its end without reading meanwhile: is the reader called for it?
  bool calls(const TestCgroup& box, const std::function<int()>& body) {
    while (sensor_->poll(log_, kNoWait).value_or(0) > 0) {
    }
    const uint64_t before = sensor_->wakeups();
    Child child = spawn_in(box, body);
    last_ = child.pid();
    child.wait();
    EXPECT_TRUE(sensor_->poll(log_, kNoWait).ok());
    return sensor_->wakeups() > before;
  }
  bool wakes(const TestCgroup& box, const std::function<int()>& body) {
    const bool called = calls(box, body);
    EXPECT_EQ(count(of(PK_EXIT, last_)), 1u) << "it was told, whether it woke or not";
    return called;
  }
  bool wakes_always(const TestCgroup& box, const std::function<int()>& body) {
    for (int round = 0; round < kRounds; ++round)
      if (!wakes(box, body)) return false;
    return true;
  }

  pid_t last_ = 0;
};

TEST_F(Waking, EverythingWakesBeforeTheRulesAreKnown) {
  start();
  const auto box = workspace();
  EXPECT_TRUE(wakes_always(*box, run_true));
}

TEST_F(Waking, WhatIsNotUrgentWaits) {
  start();
  const auto box = workspace();
  sensor_->set_urgent(nothing_urgent());
  EXPECT_FALSE(wakes_always(*box, run_true));
}

TEST_F(Waking, AnUrgentTypeWakes) {
  start();
  const auto box = workspace();
  Urgency urgency = nothing_urgent();
  urgency.classes[PK_EXIT] = ~uint64_t{0};
  sensor_->set_urgent(urgency);
  EXPECT_TRUE(wakes_always(*box, [] { return 0; }));
}

TEST_F(Waking, TheClassOfAnExecDecides) {
  start();
  const auto box = workspace();
  spawn_in(*box, [] { return 0; }).wait();  // whoever comes later is put in from outside
  // What this machine's /bin/true is, is asked of the machine.
  Child child = spawn_in(*box, run_true);
  const pid_t pid = child.pid();
  const auto exec = wait_for(of(PK_EXEC, pid));
  ASSERT_TRUE(exec.has_value());
  child.wait();
  EXPECT_TRUE(exec->header().flags & PK_EXEC_IN);
  const uint32_t own = PK_CLASS(exec->as<pk_exec>()->layer) + PK_CLASS_EXEC_IN;
  Urgency urgency = nothing_urgent();
  urgency.classes[PK_EXEC] = uint64_t{1} << own;
  sensor_->set_urgent(urgency);
  EXPECT_TRUE(wakes_always(*box, run_true));
  urgency.classes[PK_EXEC] = ~urgency.classes[PK_EXEC];
  sensor_->set_urgent(urgency);
  EXPECT_FALSE(wakes_always(*box, run_true));
}

TEST_F(Waking, TheCallDecidesOfWhatIsToldByCall) {
  start();
  const auto box = workspace();
  const auto make_socket = [] { return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? 1 : 0; };
  Urgency urgency = nothing_urgent();
  urgency.classes[PK_SOCKET] = ~uint64_t{0};
  sensor_->set_urgent(urgency);
  EXPECT_TRUE(wakes_always(*box, make_socket));
  urgency.calls.reset();
  urgency.calls[PK_CALL_listen] = true;
  sensor_->set_urgent(urgency);
  EXPECT_FALSE(wakes_always(*box, make_socket));
}

TEST_F(Waking, TheKindOfAnOpenDecides) {
  start();
  const auto box = workspace();
  int round = 0;  // another file each time: what was told before is not told again
  const auto wakes_always_for = [&](int flags) {
    bool woke = true;
    for (int i = 0; i < kRounds && woke; ++i) {
      const std::string file = fmt::format("/tmp/picket-wake-{}-{}", getpid(), ++round);
      close(open(file.c_str(), O_CREAT | O_WRONLY, 0600));
      woke = wakes(*box, [&] { return open(file.c_str(), flags) < 0 ? 1 : 0; });
      unlink(file.c_str());
    }
    return woke;
  };
  Urgency urgency = nothing_urgent();
  for (const uint32_t named : {0U, 1U})
    urgency.classes[PK_OPEN] |= uint64_t{1} << PK_CLASS_PLAIN(PK_OPENS_OF(0, 1, named));
  sensor_->set_urgent(urgency);
  EXPECT_TRUE(wakes_always_for(O_WRONLY));
  EXPECT_FALSE(wakes_always_for(O_RDONLY));
}

TEST_F(Waking, ASleeperIsWokenByTheFirstRecordWhateverItIs) {
  start();
  const auto box = workspace();
  sensor_->set_urgent(nothing_urgent());
  // Two reads that bring nothing: the second one sleeps.
  while (sensor_->poll(log_, std::chrono::milliseconds(1)).value_or(0) > 0) {
  }
  const pid_t waits_outside = fork();
  if (waits_outside == 0) {
    wait_for_state(getppid(), 'S');
    join(box->procs());
    _exit(0);
  }
  constexpr std::chrono::hours kForEver{1};  // the test's limit is what ends this
  while (count(of(PK_EXIT, waits_outside)) == 0) ASSERT_TRUE(sensor_->poll(log_, kForEver).ok());
  waitpid(waits_outside, nullptr, 0);
}

TEST_F(Waking, AStormWakesBeforeTheRingIsFull) {
  BpfSensorOptions options;
  options.ring_bytes = 64 << 10;
  start(options);
  const auto box = workspace();
  sensor_->set_urgent(nothing_urgent());
  const auto storm = [] {
    for (int i = 0; i < 200; ++i) {  // 200 forks and exits: half of this ring
      const pid_t pid = fork();
      if (pid == 0) _exit(0);
      waitpid(pid, nullptr, 0);
    }
    return 0;
  };
  EXPECT_TRUE(calls(*box, storm));
}

}  // namespace
}  // namespace picket::live
