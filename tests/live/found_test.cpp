// What ran before the agent, on real kernel events: told once, with its parent, also while it
// forks.
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"

namespace picket::live {
namespace {

int run_true() {
  execl("/bin/true", "true", nullptr);
  return 127;
}

class Found : public LiveSensorTest {};

TEST_F(Found, WhoeverRanBeforeIsFoundOnceWithItsParent) {
  const auto box = workspace();
  int ready[2], stop[2];
  ASSERT_EQ(pipe(ready) | pipe(stop), 0);
  Child parent = spawn_in(*box, [&] {
    for (int i = 0; i < 10; ++i)
      if (fork() == 0) {
        char c = 0;
        (void)!write(ready[1], "x", 1);
        close(stop[1]);
        return read(stop[0], &c, 1) == 0 ? 0 : 1;
      }
    close(stop[1]);
    while (wait(nullptr) > 0) {
    }
    return 0;
  });
  char c = 0;
  for (int i = 0; i < 10; ++i) ASSERT_EQ(read(ready[0], &c, 1), 1);
  start();
  const pid_t pid = parent.pid();
  ASSERT_TRUE(wait_for(of(PK_FOUND, pid)));
  close(stop[1]);
  ASSERT_EQ(parent.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  close(stop[0]), close(ready[0]), close(ready[1]);

  ASSERT_EQ(count([&](const Event& event) {
              return event.type() == PK_CGROUP_MKDIR && event.header().cgroup_id == box->id();
            }),
            1u);
  std::multiset<uint32_t> found;
  for (const Event& event : select([](const Event& e) { return e.type() == PK_FOUND; })) {
    const pk_exec* process = event.as<pk_exec>();
    if (process->header.cgroup_id != box->id()) continue;
    found.insert(process->header.pid);
    EXPECT_EQ(process->parent_pid, process->header.pid == static_cast<uint32_t>(pid)
                                       ? static_cast<uint32_t>(getpid())
                                       : static_cast<uint32_t>(pid));
    EXPECT_NE(exe_of(event).find("live"), std::string::npos);
    EXPECT_NE(std::string(event.text(process->argv)).find("live"), std::string::npos);
  }
  EXPECT_EQ(found.size(), 11u);
  for (const uint32_t each : found) EXPECT_EQ(found.count(each), 1u);
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_EXIT; }), 11u);
}

struct Survivor {
  int ready, stop;
  uint16_t port;
};

// Outlives the first thread of its process; connects when it may go on.
void* survive(void* given) {
  const Survivor& self = *static_cast<Survivor*>(given);
  char c = 0;
  wait_for_state(getpid(), 'Z');
  (void)!write(self.ready, "x", 1);
  (void)!read(self.stop, &c, 1);
  _exit(connect_to(SOCK_STREAM, loopback4(self.port)) < 0 ? 1 : 0);
}

TEST_F(Found, ProcessWhoseFirstThreadEndedIsFoundOnceAndItsConnectsAreTold) {
  const auto box = workspace();
  const Listener listener;
  int ready[2], stop[2];
  ASSERT_EQ(pipe(ready) | pipe(stop), 0);
  Child child = spawn_in(*box, [&] {
    close(stop[1]);
    static Survivor survivor;
    survivor = {ready[1], stop[0], listener.port()};
    for (int i = 0; i < 3; ++i) {  // more than one survivor: found once all the same
      pthread_t thread;
      if (pthread_create(
              &thread, nullptr,
              i == 0 ? survive : [](void*) -> void* {
                pause();
                return nullptr;
              },
              &survivor) != 0)
        return 1;
    }
    syscall(SYS_exit, 0);  // of this thread alone, without unwinding the test
    return 1;
  });
  close(ready[1]);
  const pid_t pid = child.pid();
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  start();
  ASSERT_TRUE(wait_for(of(PK_FOUND, pid)));
  close(stop[1]);
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  close(stop[0]), close(ready[0]);

  const std::vector<Event> found = select(of(PK_FOUND, pid));
  ASSERT_EQ(found.size(), 1u);
  const pk_exec* process = found[0].as<pk_exec>();
  EXPECT_NE(exe_of(found[0]).find("live"), std::string::npos);
  EXPECT_NE(std::string(found[0].text(process->argv)).find("live"), std::string::npos);
  EXPECT_FALSE(found[0].text(process->cwd).empty());
  EXPECT_EQ(process->parent_pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(process->vpid, static_cast<uint32_t>(pid));
  ASSERT_EQ(count(of(PK_CONNECT, pid)), 1u);
  EXPECT_EQ(select(of(PK_CONNECT, pid))[0].header().cgroup_id, box->id());
}

// The walk at start runs while the workspace forks: nobody may be told twice, nobody may be missed.
TEST_F(Found, FoundAndForkedAreReconciledUnderLoad) {
  const auto box = workspace();
  int ready[2], stop[2];
  ASSERT_EQ(pipe(ready) | pipe2(stop, O_NONBLOCK), 0);
  Child parent = spawn_in(*box, [&] {
    close(stop[1]);
    char c = 0;
    for (int i = 0; read(stop[0], &c, 1) != 0; ++i) {
      const pid_t pid = fork();
      if (pid == 0) _exit(run_true());
      if (i == 10) (void)!write(ready[1], "x", 1);
      waitpid(pid, nullptr, 0);
    }
    return 0;
  });
  const pid_t pid = parent.pid();
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  start();
  size_t forks = 0;
  ASSERT_TRUE(
      wait_for([&](const Event& event) { return event.type() == PK_FORK && ++forks == 50; }));
  close(stop[1]);
  ASSERT_EQ(parent.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  close(ready[0]), close(ready[1]), close(stop[0]);
  std::set<std::pair<uint32_t, uint64_t>> known;
  size_t told_by_exec = 0;  // forked before the probes, not found before its exec: that tells it
  for (const Event& event : select([](const Event&) { return true; })) {
    EXPECT_FALSE(event.header().flags & PK_EXEC_IN) << "nobody was put in after the first";
    const std::pair key{event.header().pid, event.header().start_ns};
    if (event.type() == PK_FORK || event.type() == PK_FOUND) {
      EXPECT_TRUE(known.insert(key).second) << "process " << key.first << " was told twice";
    } else if (event.type() == PK_EXEC) {
      told_by_exec += known.insert(key).second;
    } else if (event.type() == PK_EXIT) {
      EXPECT_TRUE(known.contains(key)) << "process " << key.first << " ended and was never told";
    }
  }
  EXPECT_LE(told_by_exec, 1u) << "one child at a time: only one can be under way";
  EXPECT_GT(known.size(), 50u);
  EXPECT_EQ(count(of(PK_FOUND, pid)), 1u);
}

}  // namespace
}  // namespace picket::live
