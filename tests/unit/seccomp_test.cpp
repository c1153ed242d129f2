// The seccomp profiles that Picket ships, compiled as a runtime does it and tried on a process.
#include "common/confinement.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <thread>

namespace picket {
namespace {

using ::testing::HasSubstr;

std::string profile(const std::string& name) {
  std::ifstream file(PICKET_SOURCE_DIR "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What the call gives behind the filter: 0 or its error. In a process of its own.
int behind(const SeccompFilter& filter, const std::function<long()>& call) {
  const pid_t child = fork();
  if (child == 0) {
    if (seccomp_load(filter.get()) != 0) _exit(255);
    errno = 0;
    const long result = call();
    _exit(result >= 0 ? 0 : errno);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_NE(WEXITSTATUS(status), 255) << "the filter cannot be loaded";
  return WEXITSTATUS(status);
}

struct Try {
  const char* what;
  std::function<long()> call;
  int expected;
};

void expect_all(const std::string& name, Stage stage, const std::vector<Try>& tries) {
  const auto filter = compile_profile(profile(name), stage);
  ASSERT_TRUE(filter.ok()) << name << ": " << filter.status();
  for (const Try& one : tries)
    EXPECT_EQ(behind(*filter, one.call), one.expected) << name << ": " << one.what;
}

// A socket that nobody listens at yet.
long listen_anywhere() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? fd : listen(fd, 1);
}

TEST(Seccomp, WorkspaceKeepsItsWorkAndLosesTheSteppingStones) {
  const auto clone_with = [](unsigned long flags) {
    const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) _exit(0);
    return pid;
  };
  expect_all(
      "rules/seccomp/workspace.json", Stage::starting,
      {{"a file", [] { return long{open("/proc/self/status", O_RDONLY)}; }, 0},
       {"a process", [&] { return clone_with(0); }, 0},
       {"fork of the C library",
        [] {
          const pid_t pid = fork();
          if (pid == 0) _exit(0);
          return long{pid};
        },
        0},
       {"a debugger's start", [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, 0},
       {"own table of files", [] { return long{unshare(CLONE_FILES)}; }, 0},
       {"a user namespace", [] { return long{unshare(CLONE_NEWUSER)}; }, EPERM},
       {"a user namespace by clone", [&] { return clone_with(CLONE_NEWUSER); }, EPERM},
       {"clone3", [] { return syscall(SYS_clone3, nullptr, 0); }, ENOSYS},
       {"mount", [] { return syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
       {"the new mount calls", [] { return syscall(SYS_fsopen, "tmpfs", 0); }, EPERM},
       {"setns", [] { return syscall(SYS_setns, -1, 0); }, EPERM},
       {"a ring", [] { return syscall(SYS_io_uring_setup, 0, nullptr); }, EPERM},
       {"bpf", [] { return syscall(SYS_bpf, 0, nullptr, 0); }, EPERM},
       {"keys", [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }, EPERM},
       {"a file by its handle", [] { return syscall(SYS_open_by_handle_at, -1, nullptr, 0); },
        EPERM},
       {"held page faults", [] { return syscall(SYS_userfaultfd, 0); }, EPERM},
       {"a module", [] { return syscall(SYS_init_module, nullptr, 0, ""); }, EPERM}});
}

TEST(Seccomp, AgentKeepsItsWorkAndNothingElse) {
  expect_all(
      "deploy/seccomp/picketd.json", Stage::started,
      {{"a file", [] { return long{open("/proc/self/status", O_RDONLY)}; }, 0},
       // It reached the kernel, which found the arguments wrong.
       {"bpf", [] { return syscall(SYS_bpf, 9999, nullptr, 0); }, EINVAL},
       {"a signal", [] { return syscall(SYS_pidfd_open, getpid(), 0); }, 0},
       {"a door of its own", listen_anywhere, EPERM},
       {"a counter", [] { return syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }, EPERM},
       {"another filter", [] { return syscall(SYS_seccomp, 9999, 0, nullptr); }, EPERM},
       {"a user namespace", [] { return long{unshare(CLONE_NEWUSER)}; }, EPERM},
       {"mount", [] { return syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
       {"setns", [] { return syscall(SYS_setns, -1, 0); }, EPERM},
       {"ptrace", [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, EPERM},
       {"memory of others",
        [] { return syscall(SYS_process_vm_writev, 0, nullptr, 0, nullptr, 0, 0); }, EPERM},
       {"a module", [] { return syscall(SYS_init_module, nullptr, 0, ""); }, EPERM}});
}

TEST(Seccomp, CollectorKeepsItsWorkAndNothingElse) {
  expect_all(
      "deploy/seccomp/picket-collector.json", Stage::started,
      {{"a file", [] { return long{open("/proc/self/status", O_RDONLY)}; }, 0},
       {"a socket", [] { return long{socket(AF_INET, SOCK_STREAM, 0)}; }, 0},
       {"a door of its own", listen_anywhere, EPERM},
       {"a process", [] { return syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0); },
        EPERM},
       {"a program", [] { return syscall(SYS_execve, "/bin/true", nullptr, nullptr); }, EPERM},
       {"a signal to others", [] { return long{kill(getppid(), 0)}; }, EPERM},
       {"bpf", [] { return syscall(SYS_bpf, 9999, nullptr, 0); }, EPERM},
       {"mount", [] { return syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
       {"ptrace", [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, EPERM}});
}

// A container's runtime puts the whole profile on them before their first instruction.
TEST(Seccomp, ProgramsStartBehindTheirOwnProfile) {
  for (const char* name : {"picketd", "picket-collector"}) {
    const auto filter =
        compile_profile(profile(std::string("deploy/seccomp/") + name + ".json"), Stage::starting);
    ASSERT_TRUE(filter.ok()) << filter.status();
    const std::string program = std::string(PICKET_BINARY_DIR "/") + name;
    EXPECT_EQ(
        behind(*filter, [&] { return long{execl(program.c_str(), name, "--version", nullptr)}; }),
        0)
        << name;
    EXPECT_EQ(behind(*filter, listen_anywhere), 0) << name;
  }
}

int error_of(long result) { return result >= 0 ? 0 : errno; }

// Of a process that confines itself: 0 when a thread that was there before is confined as well, a
// child too, and work goes on; else the number of the step that is not so.
int step_that_fails() {
  if (listen_anywhere() != 0) return 4;
  int before = 0, after = -1;
  std::atomic<bool> confined = false;
  std::thread thread([&] {
    confined.wait(false);
    before = error_of(listen_anywhere());
  });
  const absl::Status status = confine(profile("deploy/seccomp/picketd.json"));
  confined = true;
  confined.notify_one();
  thread.join();
  if (!status.ok() || before != EPERM) return 1;
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 2;
  const pid_t child = fork();
  if (child == 0) _exit(error_of(listen_anywhere()));
  int state = 0;
  waitpid(child, &state, 0);
  if (!WIFEXITED(state) || WEXITSTATUS(state) != EPERM) return 3;
  std::thread later([&] { after = error_of(open("/proc/self/status", O_RDONLY)); });
  later.join();
  return after == 0 ? 0 : 5;
}

TEST(Seccomp, EveryThreadIsConfined) {
  EXPECT_EXIT(_exit(step_that_fails()), ::testing::ExitedWithCode(0), "");
}

TEST(Seccomp, AWrongProfileIsRefusedInWords) {
  const auto refusal = [](const std::string& text) {
    return std::string(compile_profile(text, Stage::started).status().message());
  };
  EXPECT_THAT(refusal("{"), HasSubstr("seccomp profile: "));
  EXPECT_THAT(refusal("{}"), HasSubstr("defaultAction"));
  EXPECT_THAT(refusal(R"({"defaultAction": "SCMP_ACT_TRAP"})"), HasSubstr("SCMP_ACT_TRAP"));
  const std::string start =
      R"({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [)";
  EXPECT_THAT(refusal(start + R"({"names": ["opne"], "action": "SCMP_ACT_ALLOW"}]})"),
              HasSubstr("a call that nobody knows: \"opne\""));
  EXPECT_THAT(refusal(start + R"({"names": ["open"], "action": "SCMP_ACT_ALLOW",
                                  "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}]}]})"),
              HasSubstr("SCMP_CMP_GT"));
}

}  // namespace
}  // namespace picket
