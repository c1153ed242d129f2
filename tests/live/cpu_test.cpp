// Processes that keep processors busy, on real kernel events.
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

constexpr rlim_t kBusySecondsMax = 20;

void* wait_for_end(void*) {
  pause();
  return nullptr;
}

[[noreturn]] void keep_busy() {
  const rlimit bound{kBusySecondsMax, kBusySecondsMax};
  setrlimit(RLIMIT_CPU, &bound);
  for (volatile uint64_t n = 0;;) n = n + 1;
}

BpfSensorOptions each_second() {
  BpfSensorOptions options;
  options.cpu_interval = std::chrono::seconds(1);
  options.cpu_least_percent = 10;
  return options;
}

class Cpu : public LiveSensorTest {};

TEST_F(Cpu, BusyProcessIsToldWithWhatItDid) {
  start(each_second());
  const auto box = workspace();
  Child quiet = spawn_in(*box, [] { return pause(); });
  Child busy = spawn_in(*box, []() -> int {
    for (int i = 0; i < 3; ++i) {
      pthread_t thread;
      if (pthread_create(&thread, nullptr, wait_for_end, nullptr) != 0) return 1;
    }
    keep_busy();
  });
  const pid_t pid = busy.pid();
  const std::optional<Event> event = wait_for([&](const Event& each) {
    return of(PK_CPU, pid)(each) && each.as<pk_cpu>()->busy_threads == 1;
  });
  ASSERT_TRUE(event);
  const pk_cpu* cpu = event->as<pk_cpu>();
  EXPECT_EQ(cpu->header.cgroup_id, box->id());
  EXPECT_GE(cpu->interval_ns, 900'000'000u);
  // One thread, whatever else runs on this machine.
  EXPECT_GE(cpu->cpu_ns + cpu->waited_ns, cpu->interval_ns * 8 / 10);
  EXPECT_LE(cpu->cpu_ns + cpu->waited_ns, cpu->interval_ns * 12 / 10);
  EXPECT_GE(cpu->cpu_ns, cpu->interval_ns / 50);
  EXPECT_GE(cpu->user_ns, cpu->cpu_ns * 8 / 10);
  EXPECT_EQ(cpu->threads, 4u);
  EXPECT_LT(cpu->switches, 100u);
  EXPECT_EQ(count(of(PK_CPU, quiet.pid())), 0u);
}

TEST_F(Cpu, NobodyIsToldWithoutAnInterval) {
  BpfSensorOptions options = each_second();
  options.cpu_interval = {};
  start(options);
  const auto box = workspace();
  Child busy = spawn_in(*box, []() -> int {
    const rlimit bound{1, 2};  // ends by SIGXCPU after a second of it
    setrlimit(RLIMIT_CPU, &bound);
    for (volatile uint64_t n = 0;;) n = n + 1;
  });
  const pid_t pid = busy.pid();
  ASSERT_TRUE(drain_until_exit(pid));
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_CPU; }), 0u);
}

}  // namespace
}  // namespace picket::live
