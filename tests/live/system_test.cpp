// The system family on real kernel events: calls with their arguments, results and what they
// changed.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <csignal>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

class System : public LiveSensorTest {
 protected:
  System() { with_lsm_ = true; }
  std::vector<const pk_system*> made_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    std::vector<const pk_system*> found;
    for (const Event& event : select(of(PK_SYSTEM, pid))) found.push_back(event.as<pk_system>());
    return found;
  }
};

ino_t own_mount_namespace() {
  struct stat status {};
  return stat("/proc/self/ns/mnt", &status) == 0 ? status.st_ino : 0;
}

TEST_F(System, ANewNamespaceIsInTheRecord) {
  share();
  const auto box = workspace();
  const auto calls =
      made_by(*box, [] { return unshare(CLONE_NEWNS) == 0 && unshare(0) == 0 ? 0 : 1; });
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->header.call, PK_CALL_unshare);
  EXPECT_EQ(calls[0]->argument[0], static_cast<uint64_t>(CLONE_NEWNS));
  EXPECT_EQ(calls[0]->result, 0);
  EXPECT_NE(calls[0]->mnt_ns, own_mount_namespace());
  EXPECT_EQ(calls[1]->argument[0], 0u);
  EXPECT_EQ(calls[1]->mnt_ns, calls[0]->mnt_ns);
  EXPECT_NE(calls[1]->cgroup_ns, 0u);
}

TEST_F(System, ARefusedCallIsToldWithItsError) {
  share();
  const auto box = workspace();
  const auto calls = made_by(*box, [] {
    const int file = open("/dev/null", O_RDONLY);
    return setns(file, CLONE_NEWNET) == -1 && errno == EINVAL && setns(-1, 0) == -1 ? 0 : 1;
  });
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->header.call, PK_CALL_setns);
  EXPECT_EQ(calls[0]->argument[1], static_cast<uint64_t>(CLONE_NEWNET));
  EXPECT_EQ(calls[0]->result, -EINVAL);
  EXPECT_EQ(calls[1]->result, -EBADF);
  EXPECT_EQ(calls[1]->mnt_ns, own_mount_namespace());
}

// The kernel goes by the lower half of the register of a call's number, and of an int.
TEST_F(System, WhatTheKernelDoesNotLookAtHidesNothing) {
  share();
  const auto box = workspace();
  const auto calls = made_by(*box, [] {
    constexpr long kAbove = 1L << 32;
    if (syscall(kAbove | SYS_prctl, kAbove | PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 1;
    return syscall(kAbove | SYS_setns, -1, kAbove | CLONE_NEWUTS) == -1 && errno == EBADF ? 0 : 2;
  });
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->header.call, PK_CALL_prctl);
  EXPECT_EQ(calls[1]->header.call, PK_CALL_setns);
}

TEST_F(System, WhatAMemfdIsCalledIsTheKernelsName) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] { return memfd_create("payload", MFD_CLOEXEC) < 0; });
  const pid_t pid = child.pid();
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  const std::vector<Event> events = select(of(PK_SYSTEM, pid));
  ASSERT_EQ(events.size(), 1u);
  const auto* call = events[0].as<pk_system>();
  EXPECT_EQ(events[0].text(call->object), "memfd:payload");
  EXPECT_EQ(events[0].text(call->text[0]), "payload");
  EXPECT_TRUE(events[0].header().flags & PK_USER_TEXT);
}

TEST_F(System, TextsOfAMountAreToldInTheirOrder) {
  share();
  const auto box = workspace();
  Child child = spawn_in(*box, [] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return 1;
    return mount("mine", "/mnt", "tmpfs", MS_NOSUID, nullptr) == 0 &&
                   umount2("/mnt", MNT_DETACH) == 0
               ? 0
               : 2;
  });
  const pid_t pid = child.pid();
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  const std::vector<Event> events = select(of(PK_SYSTEM, pid));
  ASSERT_EQ(events.size(), 4u);
  const auto* call = events[2].as<pk_system>();
  EXPECT_EQ(call->header.call, PK_CALL_mount);
  EXPECT_EQ(events[2].text(call->text[0]), "mine");
  EXPECT_EQ(events[2].text(call->text[1]), "/mnt");
  EXPECT_EQ(events[2].text(call->text[2]), "tmpfs");
  EXPECT_EQ(call->argument[3], static_cast<uint64_t>(MS_NOSUID));
  EXPECT_EQ(events[3].header().call, PK_CALL_umount2);
}

TEST_F(System, ADebuggersStepsAreNotTold) {
  share();
  const auto box = workspace();
  const auto calls = made_by(*box, [] {
    const pid_t traced = fork();
    if (traced == 0) {
      pause();
      _exit(0);
    }
    int state = 0;
    if (ptrace(PTRACE_ATTACH, traced, nullptr, nullptr) != 0) return 1;
    if (waitpid(traced, &state, 0) != traced) return 2;
    for (int i = 0; i < 20; ++i)
      if (ptrace(PTRACE_PEEKUSER, traced, nullptr, nullptr) == -1 && errno != 0) return 3;
    if (ptrace(PTRACE_KILL, traced, nullptr, nullptr) != 0) return 4;
    return waitpid(traced, &state, 0) == traced ? 0 : 5;
  });
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->header.call, PK_CALL_ptrace);
  EXPECT_EQ(calls[0]->argument[0], static_cast<uint64_t>(PTRACE_ATTACH));
}

// To one's own child nobody is surprised by a signal; to a stranger it is told with the target.
TEST_F(System, SignalsToStrangersAreToldWithTheirTarget) {
  share();
  const auto box = workspace();
  Child stranger = spawn([] {
    pause();
    return 0;
  });
  const pid_t target = stranger.pid();
  const auto calls = made_by(*box, [target] {
    const pid_t own = fork();
    if (own == 0) {
      pause();
      _exit(0);
    }
    if (kill(own, SIGKILL) != 0 || waitpid(own, nullptr, 0) != own) return 1;
    return kill(target, 0) == 0 && kill(target, SIGTERM) == 0 ? 0 : 2;
  });
  EXPECT_EQ(stranger.wait(), SIGTERM);
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0]->header.call, PK_CALL_kill);
  EXPECT_EQ(calls[0]->argument[1], static_cast<uint64_t>(SIGTERM));
  EXPECT_EQ(calls[0]->target_pid, static_cast<uint32_t>(target));
  EXPECT_NE(calls[0]->target_start_ns, 0u);
  EXPECT_EQ(calls[0]->target_cgroup_id, 0u);
  EXPECT_EQ(calls[0]->target_is_told, 1);
  EXPECT_EQ(calls[0]->target_uid, 0u);
}

// Another process of the workspace, of that user; it waits until the test ends.
class Victim {
 public:
  Victim(const TestCgroup& box, uid_t user) {
    int ready[2];
    if (pipe(ready) != 0) return;
    child_.emplace(spawn_in(box, [&] {
      prctl(PR_SET_NAME, "victim");
      if (setresuid(user, user, user) != 0 || write(ready[1], "r", 1) != 1) return 1;
      pause();
      return 0;
    }));
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]), close(ready[1]);
  }
  pid_t pid() const { return child_->pid(); }

 private:
  std::optional<Child> child_;
};

std::string target_name(const pk_system* call) {
  return {reinterpret_cast<const char*>(call) + call->text[PK_TARGET_NAME].offset,
          call->text[PK_TARGET_NAME].length};
}

TEST_F(System, CallsAboutAProcessTellWhichOne) {
  share();
  const auto box = workspace(1), other = workspace(2);
  const Victim victim(*other, 1001);
  const pid_t pid = victim.pid();
  const auto calls = made_by(*box, [pid] {
    char byte = 0;
    iovec own{&byte, 1}, none{nullptr, 1};
    perf_event_attr sampled{};
    const auto opened = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    process_vm_readv(pid, &own, 1, &none, 1, 0);
    process_vm_writev(pid, &own, 1, &none, 1, 0);
    syscall(SYS_perf_event_open, &sampled, pid, -1, -1, 0);
    syscall(SYS_pidfd_getfd, opened, 0, 0);
    syscall(SYS_process_madvise, opened, &none, 1, MADV_COLD, 0);
    setns(opened, CLONE_NEWUTS);
    return ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ? 0 : 1;
  });
  const pk_call expected[] = {PK_CALL_pidfd_open,
                              PK_CALL_process_vm_readv,
                              PK_CALL_process_vm_writev,
                              PK_CALL_perf_event_open,
                              PK_CALL_pidfd_getfd,
                              PK_CALL_process_madvise,
                              PK_CALL_setns,
                              PK_CALL_ptrace};
  ASSERT_EQ(calls.size(), std::size(expected));
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(calls[i]->header.call, expected[i]);
    EXPECT_EQ(calls[i]->target_pid, static_cast<uint32_t>(pid));
    EXPECT_NE(calls[i]->target_start_ns, 0u);
    EXPECT_EQ(calls[i]->target_cgroup_id, other->id());
    EXPECT_EQ(calls[i]->target_is_told, 1);
    EXPECT_EQ(calls[i]->target_uid, 1001u);
    EXPECT_EQ(calls[i]->target_more_privileged, 0);
    EXPECT_EQ(target_name(calls[i]), "victim");
  }
}

TEST_F(System, WhatIsNoProcessHasNoTarget) {
  share();
  const auto box = workspace();
  const auto calls = made_by(*box, [] {
    const int file = open("/dev/null", O_RDONLY);
    syscall(SYS_pidfd_getfd, file, 0, 0);
    syscall(SYS_pidfd_getfd, eventfd(0, 0), 0, 0);
    syscall(SYS_pidfd_open, 0x3fffffff, 0);
    return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1;
  });
  ASSERT_EQ(calls.size(), 4u);
  for (const pk_system* call : calls) {
    EXPECT_EQ(call->target_pid, 0u) << call->header.call;
    EXPECT_EQ(call->target_is_told, 0) << call->header.call;
  }
}

// The number is one of the caller's pid namespace; who is meant is told as the node counts.
TEST_F(System, ATargetIsFoundByItsNumberInTheCallersPidNamespace) {
  share();
  const auto box = workspace();
  Child outer = spawn_in(*box, [] {
    if (unshare(CLONE_NEWPID) != 0) return 1;
    const pid_t init = fork();
    if (init != 0) return waitpid(init, nullptr, 0) == init ? 0 : 2;
    const pid_t traced = fork();
    if (traced == 0) pause();
    _exit(traced == 2 && ptrace(PTRACE_SEIZE, 2, nullptr, nullptr) == 0 ? 0 : 3);
  });
  const pid_t pid = outer.pid();
  EXPECT_EQ(outer.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  const auto traces =
      select([](const Event& event) { return event.header().call == PK_CALL_ptrace; });
  const auto traced = select([](const Event& event) {
    const pk_fork* fork = event.as<pk_fork>();
    return fork != nullptr && fork->vpid == 2;
  });
  ASSERT_EQ(traces.size(), 1u);
  ASSERT_EQ(traced.size(), 1u);
  EXPECT_EQ(traces[0].as<pk_system>()->argument[1], 2u);
  EXPECT_EQ(traces[0].as<pk_system>()->target_pid, traced[0].header().pid);
  EXPECT_EQ(traces[0].as<pk_system>()->target_start_ns, traced[0].header().start_ns);
}

// Of the capabilities only the one to trace others is kept.
bool become_tracer(uid_t user) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const uint32_t kept = 1u << CAP_SYS_PTRACE;
  const __user_cap_data_struct data[2] = {{kept, kept, 0}, {0, 0, 0}};
  return prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(user, user, user) == 0 &&
         syscall(SYS_capset, &header, data) == 0;
}

TEST_F(System, ATargetWithMoreRightsIsToldAsThat) {
  share();
  const auto box = workspace();
  const Victim root(*box, 0), user(*box, 1001);
  const pid_t above = root.pid(), beside = user.pid();
  const auto calls = made_by(*box, [=] {
    if (!become_tracer(1001)) return 1;
    if (ptrace(PTRACE_SEIZE, beside, nullptr, nullptr) != 0) return 2;
    return ptrace(PTRACE_SEIZE, above, nullptr, nullptr) == 0 ? 0 : 3;
  });
  const auto refused = made_by(*box, [=] {
    if (setresuid(1001, 1001, 1001) != 0) return 1;
    return ptrace(PTRACE_SEIZE, above, nullptr, nullptr) == 0 ? 2 : 0;
  });
  std::vector<const pk_system*> traces;
  for (const auto* list : {&calls, &refused})
    for (const pk_system* call : *list)
      if (call->header.call == PK_CALL_ptrace) traces.push_back(call);
  ASSERT_EQ(traces.size(), 3u);
  EXPECT_EQ(traces[0]->target_uid, 1001u);
  EXPECT_EQ(traces[0]->target_more_privileged, 0);
  EXPECT_EQ(traces[1]->target_uid, 0u);
  EXPECT_EQ(traces[1]->target_more_privileged, 1);
  EXPECT_EQ(traces[1]->result, 0);
  EXPECT_EQ(traces[2]->target_more_privileged, 1);
  EXPECT_EQ(traces[2]->result, -EPERM);
}

// As whom a process acts is of the moment, in every record.
TEST_F(System, CredentialsAreThoseOfNow) {
  share();
  const auto box = workspace();
  const auto calls = made_by(*box, [] {
    if (unshare(0) != 0 || setresgid(1003, 1003, 1003) != 0 || setresuid(1001, 1001, 1001) != 0)
      return 1;
    return unshare(0);
  });
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls[0]->header.uid, 0u);
  EXPECT_NE(calls[0]->header.cap_effective, 0u);
  EXPECT_EQ(calls[2]->header.call, PK_CALL_setresuid);
  EXPECT_EQ(calls[2]->argument[1], 1001u);
  EXPECT_EQ(calls[3]->header.uid, 1001u);
  EXPECT_EQ(calls[3]->header.gid, 1003u);
  EXPECT_EQ(calls[3]->header.cap_effective, 0u);
}

TEST_F(System, StrangersAreNotTold) {
  share();
  const auto box = workspace();
  Child stranger = spawn([] { return unshare(0); });
  const pid_t pid = stranger.pid();
  EXPECT_EQ(stranger.wait(), 0);
  ASSERT_EQ(made_by(*box, [] { return unshare(0); }).size(), 1u);  // what comes later is there
  EXPECT_EQ(count(of(PK_SYSTEM, pid)), 0u);
}

}  // namespace
}  // namespace picket::live
