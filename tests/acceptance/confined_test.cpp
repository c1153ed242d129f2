// Both daemons take from themselves the system calls that their work does not need: whoever gets
// hold of one from inside finds the calls refused that would lead further, in every thread, while
// the daemon goes on.
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/intruder.h"

namespace picket::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr unsigned long kNobody = 0x7ffffff0;  // no process has this number

class Confined : public AcceptanceTest {
 protected:
  static std::vector<pid_t> threads_of(pid_t pid) {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid)))
      found.push_back(std::stoi(entry.path().filename()));
    return found;
  }

  // In its first thread and in its last one.
  static void expect_refused(pid_t pid, const std::vector<SystemCall>& calls) {
    const std::vector<pid_t> threads = threads_of(pid);
    ASSERT_GT(threads.size(), 1u);
    for (const pid_t thread : {threads.front(), threads.back()}) {
      const auto results = calls_inside(thread, calls);
      ASSERT_TRUE(results.ok()) << results.status();
      EXPECT_THAT(*results, Each(-EPERM)) << "thread " << thread;
    }
    for (const pid_t thread : threads) {
      const std::string status =
          read_file(fmt::format("/proc/{}/status", thread)).value_or("Seccomp:\t2\nNoNewPrivs:\t1");
      EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n")) << "thread " << thread;
      EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1")) << "thread " << thread;
    }
  }
};

TEST_F(Confined, DaemonsKeepTheirWorkAndNothingElse) {
  deploy({.rules = rule("test.exec", "evt.type in (execve, execveat)"), .shipped_rules = false});
  if (HasFatalFailure()) return;
  // Where one is not refused, its arguments let the kernel do nothing.
  std::vector<SystemCall> calls = {{SYS_mount},
                                   {SYS_umount2},
                                   {SYS_pivot_root},
                                   {SYS_chroot},
                                   {SYS_setns},
                                   {SYS_unshare, {CLONE_NEWUSER}},
                                   {SYS_clone, {CLONE_NEWUSER | CLONE_FS}},
                                   {SYS_ptrace, {PTRACE_SEIZE, kNobody}},
                                   {SYS_process_vm_writev, {kNobody}},
                                   {SYS_init_module},
                                   {SYS_finit_module},
                                   {SYS_kexec_load, {0, 17}},
                                   {SYS_setuid},
                                   {SYS_capset},
                                   {SYS_io_uring_setup},
                                   {SYS_keyctl},
                                   {SYS_perf_event_open},
                                   {SYS_listen, {~0UL}},
                                   {SYS_seccomp, {9999}}};
  expect_refused(deployment().agent_pid(), calls);
  const std::vector<SystemCall> of_the_agent = {{SYS_execve},
                                                {SYS_execveat},
                                                {SYS_clone, {CLONE_SIGHAND}},
                                                {SYS_kill, {kNobody}},
                                                {SYS_pidfd_open, {kNobody}},
                                                {SYS_memfd_create},
                                                {SYS_open_by_handle_at},
                                                {SYS_bpf, {9999}}};
  calls.insert(calls.end(), of_the_agent.begin(), of_the_agent.end());
  expect_refused(deployment().collector().pid(), calls);

  // Both go on: an event comes through, a command is carried out.
  auto workspace = make_container();
  ASSERT_TRUE(workspace);
  ASSERT_TRUE(workspace->run({"true", "after"}).ok());
  const auto alert = deployment().alerts().wait_for("a program", [&](const Alert& one) {
    return of(*workspace, one) && one["process"]["cmdline"] == "true after";
  });
  EXPECT_TRUE(alert.ok()) << alert.status();
  const auto killed =
      deployment().picketctl({"workspace", "kill", workspace->id(), "--reason", "of the test"});
  ASSERT_TRUE(killed.ok()) << killed.status();
  EXPECT_EQ(killed->exit_code, 0) << killed->out << killed->err;
  EXPECT_TRUE(workspace->wait_for_end().ok());
  EXPECT_TRUE(deployment().stop_agent().ok());
  EXPECT_TRUE(deployment().stop_collector().ok());
}

}  // namespace
}  // namespace picket::test
