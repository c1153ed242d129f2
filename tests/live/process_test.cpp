// The process family on real kernel events: fork, exec, exit, and what was there before the agent.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

constexpr char kTrue[] = "/bin/true";

int run(const char* file, std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(file, argv.data());
  return 127;
}

uint64_t own_start_ns() {  // of /proc/self/stat, in clock ticks
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return std::stoull(field) * (1'000'000'000ULL / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)));
}

class Process : public LiveSensorTest {
 protected:
  const pk_exec* exec_of(pid_t pid) {
    const std::optional<Event> event = wait_for(of(PK_EXEC, pid));
    return event ? event->as<pk_exec>() : nullptr;
  }
  std::string text(const pk_exec* exec, pk_str string) const {
    return std::string(reinterpret_cast<const char*>(exec) + string.offset, string.length);
  }
};

TEST_F(Process, ExecTellsProgramArgumentsAndPlace) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    if (chdir("/usr/share") != 0) return 1;
    return run("/usr/bin/../bin/env", {"env", "true", "two words"});
  });
  const pid_t pid = child.pid();
  child.wait();
  const pk_exec* exec = exec_of(pid);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(exec->header.cgroup_id, box->id());
  EXPECT_EQ(text(exec, exec->exe), "/usr/bin/env");
  EXPECT_EQ(text(exec, exec->filename), "/usr/bin/../bin/env");
  EXPECT_EQ(text(exec, exec->interp), "");
  EXPECT_EQ(text(exec, exec->cwd), "/usr/share");
  EXPECT_EQ(text(exec, exec->argv), std::string("env\0true\0two words\0", 19));
  EXPECT_EQ(exec->argc, 3);
  EXPECT_EQ(exec->parent_pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(exec->parent_start_ns / 10'000'000, own_start_ns() / 10'000'000);
  EXPECT_EQ(exec->vpid, static_cast<uint32_t>(pid));
  EXPECT_EQ(exec->session, static_cast<uint32_t>(getsid(0)));
  EXPECT_EQ(exec->group, static_cast<uint32_t>(getpgid(0)));
  EXPECT_FALSE(exec->header.flags & (PK_TRUNCATED | PK_COMPAT));
  struct stat info {};
  stat("/usr/bin/env", &info);
  EXPECT_EQ(exec->exe_inode, info.st_ino);
  EXPECT_EQ(exec->exe_nlink, info.st_nlink);
  EXPECT_EQ(exec->exe_ctime_ns, static_cast<uint64_t>(info.st_ctim.tv_sec) * 1'000'000'000 +
                                    static_cast<uint64_t>(info.st_ctim.tv_nsec));
}

TEST_F(Process, ExecTellsCredentialsAndNamespaces) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    if (unshare(CLONE_NEWNET) || setresgid(1003, 1003, 1003) || setresuid(1001, 1001, 1001))
      return 1;
    return run(kTrue, {"true"});
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  const pk_exec* exec = exec_of(pid);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(exec->ruid, 1001u);
  EXPECT_EQ(exec->header.uid, 1001u);
  EXPECT_EQ(exec->suid, 1001u);
  EXPECT_EQ(exec->header.gid, 1003u);
  EXPECT_EQ(exec->header.uid, 1001u);
  EXPECT_EQ(exec->header.cap_effective, 0u);
  struct stat mine {};
  stat("/proc/self/ns/mnt", &mine);
  EXPECT_EQ(exec->mnt_ns, mine.st_ino);
  stat("/proc/self/ns/pid", &mine);
  EXPECT_EQ(exec->pid_ns, mine.st_ino);
  stat("/proc/self/ns/user", &mine);
  EXPECT_EQ(exec->user_ns, mine.st_ino);
  stat("/proc/self/ns/net", &mine);
  EXPECT_NE(exec->net_ns, mine.st_ino);
  EXPECT_NE(exec->net_ns, 0u);
}

TEST_F(Process, LongArgumentsAreCutAndMarked) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] { return run(kTrue, {"true", std::string(9000, 'x')}); });
  const pid_t pid = child.pid();
  child.wait();
  const pk_exec* exec = exec_of(pid);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(exec->argv.length, PK_ARGV_MAX);
  EXPECT_TRUE(exec->header.flags & PK_TRUNCATED);
  EXPECT_EQ(text(exec, exec->argv).substr(0, 7), std::string("true\0xx", 7));
  EXPECT_EQ(text(exec, exec->exe).substr(0, 5), "/usr/");
}

TEST_F(Process, ScriptTellsItsInterpreter) {
  share();
  const auto box = workspace();
  const std::string script = testing::TempDir() + "picket-live-script-" + std::to_string(getpid());
  std::ofstream(script) << "#!/bin/sh -e\nexit 0\n";
  chmod(script.c_str(), 0755);
  Child child = spawn_in(*box, [&] { return run(script.c_str(), {"script", "one"}); });
  const pid_t pid = child.pid();
  child.wait();
  unlink(script.c_str());
  const pk_exec* exec = exec_of(pid);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(text(exec, exec->filename), script);
  EXPECT_EQ(text(exec, exec->interp), "/bin/sh");
  EXPECT_EQ(text(exec, exec->argv),
            std::string("/bin/sh\0-e\0", 11) + script + std::string("\0one\0", 5));
}

TEST_F(Process, MemfdAndDeletedProgramsAreTold) {
  share();
  const auto box = workspace();
  const std::string copy = testing::TempDir() + "picket-live-copy-" + std::to_string(getpid());
  const auto copy_to = [](int to) {
    const int from = open(kTrue, O_RDONLY | O_CLOEXEC);
    char buffer[1 << 16];
    for (ssize_t got = 0; (got = read(from, buffer, sizeof(buffer))) > 0;)
      if (write(to, buffer, static_cast<size_t>(got)) != got) return false;
    close(from);
    return true;
  };
  Child in_memory = spawn_in(*box, [&] {
    const int fd = memfd_create("payload", MFD_CLOEXEC);
    if (!copy_to(fd)) return 1;
    char name[] = "innocent";
    char* argv[] = {name, nullptr};
    fexecve(fd, argv, environ);
    return 127;
  });
  const pid_t memory_pid = in_memory.pid();
  ASSERT_EQ(in_memory.wait(), 0);
  Child unlinked = spawn_in(*box, [&] {
    const int to = open(copy.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (!copy_to(to)) return 1;
    close(to);
    const int fd = open(copy.c_str(), O_RDONLY | O_CLOEXEC);
    unlink(copy.c_str());
    char name[] = "gone";
    char* argv[] = {name, nullptr};
    fexecve(fd, argv, environ);
    return 127;
  });
  const pid_t deleted_pid = unlinked.pid();
  ASSERT_EQ(unlinked.wait(), 0);

  const pk_exec* memory = exec_of(memory_pid);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->layer, PK_LAYER_MEMFD);
  EXPECT_EQ(text(memory, memory->exe), "memfd:payload");
  EXPECT_EQ(memory->exe_nlink, 0u);
  const pk_exec* deleted = exec_of(deleted_pid);
  ASSERT_NE(deleted, nullptr);
  EXPECT_EQ(deleted->layer, PK_LAYER_DELETED);
  EXPECT_EQ(text(deleted, deleted->exe), copy);
}

// An overlay as a container has it, mounted in a mount namespace of the child's own.
TEST_F(Process, LayersOfAContainersFileSystem) {
  share();
  const auto box = workspace();
  const auto exec_at = [&](const std::string& program) {
    Child child = spawn_in(*box, [&] {
      if (unshare(CLONE_NEWNS) || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
        return 1;
      if (mount("tmpfs", "/mnt", "tmpfs", 0, nullptr)) return 2;
      for (const char* each : {"/mnt/lower", "/mnt/upper", "/mnt/work", "/mnt/root"})
        mkdir(each, 0755);
      std::error_code error;
      std::filesystem::copy_file(kTrue, "/mnt/lower/shipped", error);
      if (mount("overlay", "/mnt/root", "overlay", 0,
                "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work"))
        return 3;
      std::filesystem::copy_file(kTrue, "/mnt/root/written", error);
      return run(program.c_str(), {"program"});
    });
    const pid_t pid = child.pid();
    const int status = child.wait();
    EXPECT_EQ(status, 0);
    return status == 0 ? exec_of(pid) : nullptr;
  };
  const pk_exec* shipped = exec_at("/mnt/root/shipped");
  ASSERT_NE(shipped, nullptr);
  EXPECT_EQ(shipped->layer, PK_LAYER_IMAGE);
  EXPECT_EQ(text(shipped, shipped->exe), "/mnt/root/shipped");
  const pk_exec* written = exec_at("/mnt/root/written");
  ASSERT_NE(written, nullptr);
  EXPECT_EQ(written->layer, PK_LAYER_UPPER);
  EXPECT_EQ(text(written, written->exe), "/mnt/root/written");
  const pk_exec* volume = exec_at("/mnt/lower/shipped");
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(volume->layer, PK_LAYER_MOUNT);
}

TEST_F(Process, PathIsAsTheProcessSeesItAfterChroot) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    if (unshare(CLONE_NEWNS) || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
      return 1;
    if (mount("/", "/mnt", nullptr, MS_BIND, nullptr) || chroot("/mnt") || chdir("/etc")) return 2;
    return run(kTrue, {"true"});
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  const pk_exec* exec = exec_of(pid);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(text(exec, exec->exe), "/usr/bin/true");
  EXPECT_EQ(text(exec, exec->cwd), "/etc");
}

TEST_F(Process, NumbersInsideAPidNamespace) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    if (unshare(CLONE_NEWPID)) return 1;
    const pid_t first = fork();
    if (first == 0) _exit(run(kTrue, {"true"}));
    int status = 1;
    waitpid(first, &status, 0);
    return status;
  });
  ASSERT_EQ(child.wait(), 0);
  const std::optional<Event> event = wait_for([](const Event& e) { return e.type() == PK_EXEC; });
  ASSERT_TRUE(event);
  const pk_exec* exec = event->as<pk_exec>();
  EXPECT_EQ(exec->vpid, 1u);
  EXPECT_NE(exec->header.pid, 1u);
  const auto forks = select(of(PK_FORK, static_cast<pid_t>(exec->header.pid)));
  ASSERT_EQ(forks.size(), 1u);
  EXPECT_EQ(forks[0].as<pk_fork>()->vpid, 1u);
}

TEST_F(Process, ForkIsToldBeforeWhatTheChildDoes) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    for (int i = 0; i < 20; ++i) {
      const pid_t worker = fork();
      if (worker == 0) _exit(run(kTrue, {"true"}));
      waitpid(worker, nullptr, 0);
    }
    return 0;
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  std::set<uint32_t> forked;
  size_t execs = 0;
  for (const Event& event : select([](const Event&) { return true; })) {
    if (const pk_fork* fork = event.as<pk_fork>()) {
      EXPECT_EQ(fork->parent_pid, static_cast<uint32_t>(pid));
      EXPECT_FALSE(fork->header.flags & PK_EXEC_IN);
      forked.insert(fork->header.pid);
    }
    if (event.type() != PK_EXEC) continue;
    EXPECT_TRUE(forked.contains(event.header().pid));
    ++execs;
  }
  EXPECT_EQ(forked.size(), 20u);
  EXPECT_EQ(execs, 20u);
}

TEST_F(Process, ExitTellsCodeAndSignal) {
  share();
  const auto box = workspace();
  Child code = spawn_in(*box, [] { return 42; });
  const pid_t code_pid = code.pid();
  code.wait();
  Child killed = spawn_in(*box, [] {
    raise(SIGKILL);
    return 0;
  });
  const pid_t killed_pid = killed.pid();
  killed.wait();
  const std::optional<Event> first = wait_for(of(PK_EXIT, code_pid));
  const std::optional<Event> second = wait_for(of(PK_EXIT, killed_pid));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->as<pk_exit>()->code, 42u);
  EXPECT_EQ(first->as<pk_exit>()->signal, 0u);
  EXPECT_EQ(second->as<pk_exit>()->signal, static_cast<uint32_t>(SIGKILL));
}

TEST_F(Process, ThreadsAreNoProcesses) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([] {});
    for (std::thread& thread : threads) thread.join();
    // A thread that runs a program takes over the process: same pid, no exit in between.
    std::thread([] { _exit(run(kTrue, {"true"})); }).join();
    return 1;
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_FORK; }), 0u);
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_EXIT; }), 1u);
  const std::vector<Event> execs =
      select([](const Event& event) { return event.type() == PK_EXEC; });
  ASSERT_EQ(execs.size(), 1u);
  EXPECT_EQ(execs[0].header().pid, static_cast<uint32_t>(pid));
}

TEST_F(Process, StrangersAreNotTold) {
  share();
  const auto box = workspace();
  Child stranger = spawn([] { return run(kTrue, {"true"}); });
  const pid_t stranger_pid = stranger.pid();
  stranger.wait();
  Child member = spawn_in(*box, [] { return run(kTrue, {"true"}); });
  const pid_t member_pid = member.pid();
  member.wait();
  ASSERT_TRUE(drain_until_exit(member_pid));
  EXPECT_EQ(count([&](const Event& event) {
              return event.header().pid == static_cast<uint32_t>(stranger_pid);
            }),
            0u);
  for (const Event& event : select([](const Event&) { return true; }))
    EXPECT_EQ(event.header().cgroup_id, box->id());
}

}  // namespace
}  // namespace picket::live
