// Signals to processes of another lineage, on real kernel events: whatever code their sender
// chooses, and whatever he lets send them for him.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

class Signals : public LiveSensorTest {
 protected:
  std::vector<Event> sent_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return select(of(PK_SYSTEM, pid));
  }
};

Child sleeper() {
  return spawn([] {
    while (true) pause();
    return 0;
  });
}

// The codes that the kernel itself uses for timers, queues and asynchronous input and output.
TEST_F(Signals, AChosenCodeHidesNoSender) {
  share();
  const auto box = workspace();
  Child stranger = sleeper();
  const pid_t target = stranger.pid();
  constexpr int kCodes[] = {SI_QUEUE, SI_TIMER, SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_ASYNCNL};
  const auto told = sent_by(*box, [&] {
    const auto opened = static_cast<int>(syscall(SYS_pidfd_open, target, 0));
    for (const int code : kCodes) {
      siginfo_t info{};
      info.si_signo = SIGCONT;  // it does not mind
      info.si_code = code;
      if (syscall(SYS_rt_sigqueueinfo, target, SIGCONT, &info) != 0) return 1;
      if (syscall(SYS_rt_tgsigqueueinfo, target, target, SIGCONT, &info) != 0) return 2;
      if (syscall(SYS_pidfd_send_signal, opened, SIGCONT, &info, 0) != 0) return 3;
    }
    return kill(target, SIGKILL);
  });
  EXPECT_EQ(stranger.wait(), SIGKILL);
  size_t found = 0;
  for (const Event& event : told) {
    const pk_system& call = *event.as<pk_system>();
    if (call.target_pid != static_cast<uint32_t>(target)) continue;
    if (event.header().call != PK_CALL_rt_sigqueueinfo) continue;
    ++found;
    EXPECT_EQ(call.argument[1], static_cast<uint64_t>(SIGCONT));
  }
  EXPECT_EQ(found, 3 * std::size(kCodes));
}

// It writes into its own pipe, and the kernel sends the signal.
TEST_F(Signals, ADescriptorsSignalIsItsHolders) {
  share();
  const auto box = workspace();
  Child stranger = sleeper();
  const pid_t target = stranger.pid();
  const auto told = sent_by(*box, [&] {
    int ends[2];
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETOWN, target) != 0) return 1;
    if (fcntl(ends[0], F_SETSIG, SIGKILL) != 0) return 2;
    if (fcntl(ends[0], F_SETFL, O_ASYNC) != 0) return 3;
    return write(ends[1], "x", 1) == 1 ? 0 : 4;
  });
  EXPECT_EQ(stranger.wait(), SIGKILL);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].header().call, PK_CALL_kill);
  EXPECT_EQ(told[0].as<pk_system>()->argument[1], static_cast<uint64_t>(SIGKILL));
  EXPECT_EQ(told[0].as<pk_system>()->target_pid, static_cast<uint32_t>(target));
}

// The processor of a workspace's process is where others' timers run out.
TEST_F(Signals, AnothersTimerIsNobodysSignal) {
  share();
  const auto box = workspace();
  Child stranger = spawn([] {
    signal(SIGUSR1, [](int) {});
    sigevent notice{};
    notice.sigev_notify = SIGEV_SIGNAL;
    notice.sigev_signo = SIGUSR1;
    timer_t timer{};
    const itimerspec often{{0, 200'000}, {0, 200'000}};
    if (timer_create(CLOCK_MONOTONIC, &notice, &timer) != 0) return 1;
    if (timer_settime(timer, 0, &often, nullptr) != 0) return 2;
    while (true) pause();
    return 0;
  });
  const auto told = sent_by(*box, [] {
    const clock_t end = clock() + CLOCKS_PER_SEC / 5;
    while (clock() < end) {
    }
    return 0;
  });
  kill(stranger.pid(), SIGKILL);
  stranger.wait();
  EXPECT_TRUE(told.empty());
}

}  // namespace
}  // namespace picket::live
