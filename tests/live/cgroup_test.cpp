// The cgroup family on real kernel events: what becomes a workspace, who enters and leaves it,
// whose its processes are.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

int run_true() {
  execl("/bin/true", "true", nullptr);
  return 127;
}

class Cgroup : public LiveSensorTest {
 protected:
  std::string path_of(const Event& event) const {
    return std::string(event.text(event.as<pk_cgroup>()->path));
  }
  Match made(const TestCgroup& cgroup) const {
    return [id = cgroup.id()](const Event& event) {
      return event.type() == PK_CGROUP_MKDIR && event.as<pk_cgroup>()->id == id;
    };
  }
  // Runs /bin/true in `cgroup`; whether its exec was told, and for which workspace (0: not told).
  uint64_t workspace_of_exec_in(const TestCgroup& cgroup, const TestCgroup& known) {
    Child child = spawn_in(cgroup, run_true);
    const pid_t pid = child.pid();
    child.wait();
    Child last = spawn_in(known, run_true);  // all records of the first lie before its exit
    const pid_t last_pid = last.pid();
    last.wait();
    EXPECT_TRUE(drain_until_exit(last_pid));
    const auto execs = select(of(PK_EXEC, pid));
    return execs.empty() ? 0 : execs[0].header().cgroup_id;
  }
};

TEST_F(Cgroup, LifeOfAWorkspaceIsTold) {
  start();
  const auto box = workspace();
  const uint64_t id = box->id();
  const std::string path = box->path();
  const std::optional<Event> mkdir = wait_for(made(*box));
  ASSERT_TRUE(mkdir);
  EXPECT_EQ(mkdir->header().cgroup_id, id);
  EXPECT_EQ(path_of(*mkdir), path);
  EXPECT_EQ(mkdir->as<pk_cgroup>()->level, 2u);
  EXPECT_EQ(mkdir->as<pk_cgroup>()->parent_id, *tree().id(base()));

  Child child = spawn_in(*box, [] { return 0; });
  const pid_t pid = child.pid();
  child.wait();
  const std::optional<Event> enter = wait_for(of(PK_CGROUP_ATTACH, pid));
  ASSERT_TRUE(enter);
  EXPECT_EQ(enter->as<pk_cgroup>()->attach, static_cast<uint32_t>(PK_ATTACH_ENTER));
  EXPECT_EQ(enter->header().cgroup_id, id);
  const std::optional<Event> found = wait_for(of(PK_FOUND, pid));
  ASSERT_TRUE(found) << "who enters with a running program is told like one found at start";
  EXPECT_NE(exe_of(*found).find("live_cgroup_test"), std::string::npos);

  box->remove();
  EXPECT_TRUE(wait_for([&](const Event& event) {
    return event.type() == PK_CGROUP_RMDIR && event.as<pk_cgroup>()->id == id;
  }));
}

TEST_F(Cgroup, NamesOfEveryRuntimeAreWorkspaces) {
  start();
  const std::string id = container_id(1);
  for (const std::string& name :
       {id, "cri-containerd-" + id + ".scope", "docker-" + id + ".scope", "libpod-" + id + ".scope",
        "crio-" + id + ".scope", "libpod-" + id}) {
    const TestCgroup box(tree(), base() + "/" + name);
    ASSERT_NE(box.id(), 0u);
    EXPECT_TRUE(wait_for(made(box))) << name;
  }
}

TEST_F(Cgroup, OtherNamesAreNot) {
  start();
  const std::string id = container_id(1);
  const auto known = workspace(2);
  std::vector<std::unique_ptr<TestCgroup>> others;
  for (const std::string& name :
       {std::string("demo"), id.substr(1), id + "0", "crio-conmon-" + id + ".scope",
        "docker-" + id + ".slice", std::string(64, 'g'), "x" + id})
    others.push_back(std::make_unique<TestCgroup>(tree(), base() + "/" + name));
  ASSERT_TRUE(wait_for(made(*known)));
  const TestCgroup last(tree(), known->path() + "/last");
  ASSERT_TRUE(wait_for(made(last)));
  for (const auto& other : others) EXPECT_EQ(count(made(*other)), 0u) << other->path();
}

TEST_F(Cgroup, WhatLiesBelowBelongsToTheWorkspace) {
  start();
  const auto box = workspace();
  const TestCgroup below(tree(),
                         box->path() + "/" + container_id(2));  // a container in a container
  const std::optional<Event> told = wait_for(made(below));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->header().cgroup_id, box->id());
  EXPECT_EQ(told->as<pk_cgroup>()->parent_id, box->id());
  EXPECT_EQ(workspace_of_exec_in(below, *box), box->id());
}

TEST_F(Cgroup, EveryChildOfARootIsAWorkspace) {
  BpfSensorOptions options;
  options.cgroup_roots = {base()};
  start(options);
  const TestCgroup box(tree(), base() + "/any-name");
  const std::optional<Event> told = wait_for(made(box));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->header().cgroup_id, box.id());
  EXPECT_EQ(workspace_of_exec_in(box, box), box.id());
}

TEST_F(Cgroup, ARootThatDoesNotExistYetIsNamedAndTakenLater) {
  const std::string later = base() + "/later";
  BpfSensorOptions options;
  options.cgroup_roots = {later};
  start(options);
  const auto is_missing = [&] {
    for (const CoverageLine& line : sensor_->coverage().lines)
      if (line.hook == "cgroup root " + later) return line.state == CoverageLine::State::off;
    return false;
  };
  EXPECT_TRUE(is_missing());
  const TestCgroup root(tree(), later);
  const TestCgroup box(tree(), later + "/first");
  EXPECT_TRUE(wait_for(made(box)));
  EXPECT_FALSE(is_missing());
}

TEST_F(Cgroup, ExcludedCgroupsAreLeftOutWithAllBelow) {
  const auto agent = workspace(1);
  BpfSensorOptions options;
  options.exclude = {agent->path()};
  start(options);
  const auto known = workspace(2);
  const TestCgroup below(tree(), agent->path() + "/" + container_id(3));
  EXPECT_EQ(workspace_of_exec_in(*agent, *known), 0u);
  EXPECT_EQ(workspace_of_exec_in(below, *known), 0u);
  EXPECT_EQ(count(made(*agent)), 0u);
  EXPECT_EQ(count(made(below)), 0u);
}

TEST_F(Cgroup, RuncInitMakesItsCgroupAWorkspace) {
  start();
  const auto known = workspace();
  const TestCgroup box(tree(), base() + "/demo");
  Child child = spawn_in(box, [] {
    prctl(PR_SET_NAME, "runc:[2:INIT]");
    return run_true();
  });
  const pid_t pid = child.pid();
  child.wait();
  ASSERT_TRUE(drain_until_exit(pid));
  ASSERT_EQ(count(made(box)), 1u);
  const auto execs = select(of(PK_EXEC, pid));
  ASSERT_EQ(execs.size(), 1u);
  EXPECT_EQ(execs[0].header().cgroup_id, box.id());
  EXPECT_FALSE(execs[0].header().flags & PK_EXEC_IN);
}

// `runc exec`, called from a runtime's own cgroup: named there by runc, moved afterwards.
TEST_F(Cgroup, WhatRuncPutsInBelongsToWhereItGoes) {
  start();
  const auto known = workspace();
  spawn_in(*known, run_true).wait();
  const TestCgroup runtime(tree(), base() + "/runtime");
  int told[2];
  ASSERT_EQ(pipe(told), 0);
  Child runc = spawn_in(runtime, [&] {
    const pid_t inner = fork();
    if (inner == 0) {
      prctl(PR_SET_NAME, "runc:[2:INIT]");
      return join(known->procs()) ? run_true() : 99;
    }
    waitpid(inner, nullptr, 0);
    return write(told[1], &inner, sizeof(inner)) == sizeof(inner) ? 0 : 1;
  });
  pid_t inner = 0;
  ASSERT_EQ(read(told[0], &inner, sizeof(inner)), ssize_t{sizeof(inner)});
  runc.wait();
  ASSERT_TRUE(drain_until_exit(inner));
  EXPECT_EQ(count(made(runtime)), 0u);
  const auto execs = select(of(PK_EXEC, inner));
  ASSERT_EQ(execs.size(), 1u);
  EXPECT_EQ(execs[0].header().cgroup_id, known->id());
  EXPECT_TRUE(execs[0].header().flags & PK_EXEC_IN);
}

TEST_F(Cgroup, TheFirstProcessIsItsOwnAndLaterOnesArePutIn) {
  start();
  const auto box = workspace();
  const auto flags_of_exec = [&](pid_t pid) {
    const std::optional<Event> exec = wait_for(of(PK_EXEC, pid));
    return exec ? exec->header().flags : 0xffffffffu;
  };
  int stop[2];
  ASSERT_EQ(pipe(stop), 0);
  Child first = spawn_in(*box, [&] {
    close(stop[1]);
    const pid_t inner = fork();
    if (inner == 0) return run_true();
    waitpid(inner, nullptr, 0);
    char c;
    (void)!read(stop[0], &c, 1);
    return run_true();
  });
  const std::optional<Event> born = wait_for([&](const Event& event) {
    const pk_fork* fork = event.as<pk_fork>();
    return fork && fork->parent_pid == static_cast<uint32_t>(first.pid());
  });
  ASSERT_TRUE(born);
  EXPECT_FALSE(born->header().flags & PK_EXEC_IN);
  EXPECT_FALSE(flags_of_exec(static_cast<pid_t>(born->header().pid)) & PK_EXEC_IN);

  Child second = spawn_in(*box, [] {
    const pid_t inner = fork();
    if (inner == 0) return run_true();
    waitpid(inner, nullptr, 0);
    return run_true();
  });
  const pid_t second_pid = second.pid();
  second.wait();
  EXPECT_TRUE(flags_of_exec(second_pid) & PK_EXEC_IN);
  const auto inner = select([&](const Event& event) {
    const pk_fork* fork = event.as<pk_fork>();
    return fork && fork->parent_pid == static_cast<uint32_t>(second_pid);
  });
  ASSERT_EQ(inner.size(), 1u);
  EXPECT_FALSE(flags_of_exec(static_cast<pid_t>(inner[0].header().pid)) & PK_EXEC_IN);

  close(stop[1]);
  const pid_t first_pid = first.pid();
  first.wait();
  EXPECT_FALSE(flags_of_exec(first_pid) & PK_EXEC_IN);
  close(stop[0]);
}

TEST_F(Cgroup, CloneIntoCgroupIsSeenWithoutAnAttach) {
  start();
  const auto box = workspace();
  const FileDescriptor cgroup(open(box->directory().c_str(), O_RDONLY | O_DIRECTORY));
  Child maker = spawn([&] {
    clone_args arguments{};
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
    const long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) _exit(run_true());
    int status = 1;
    waitpid(static_cast<pid_t>(pid), &status, 0);
    return pid > 0 && status == 0 ? 0 : 1;
  });
  ASSERT_EQ(maker.wait(), 0);
  const std::optional<Event> exec =
      wait_for([](const Event& event) { return event.type() == PK_EXEC; });
  ASSERT_TRUE(exec);
  EXPECT_EQ(exec->header().cgroup_id, box->id());
  EXPECT_EQ(count(of(PK_FORK, static_cast<pid_t>(exec->header().pid))), 1u);
}

TEST_F(Cgroup, AProcessKeepsItsWorkspaceWhereverItGoes) {
  start();
  const auto box = workspace(1);
  const auto other = workspace(2);
  const TestCgroup nowhere(tree(), base() + "/nowhere");
  Child child = spawn_in(*box, [&] {
    if (!join(nowhere.procs())) return 1;
    const pid_t escaped = fork();
    if (escaped == 0) return run_true();
    waitpid(escaped, nullptr, 0);
    return join(other->procs()) && join(box->procs()) ? run_true() : 2;
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  std::vector<uint32_t> moves;
  for (const Event& event : select(of(PK_CGROUP_ATTACH, pid))) {
    EXPECT_EQ(event.header().cgroup_id, box->id());
    moves.push_back(event.as<pk_cgroup>()->attach);
  }
  EXPECT_EQ(moves, (std::vector<uint32_t>{PK_ATTACH_ENTER, PK_ATTACH_LEAVE, PK_ATTACH_ENTER}));
  const auto execs = select([](const Event& event) { return event.type() == PK_EXEC; });
  ASSERT_EQ(execs.size(), 2u);
  for (const Event& exec : execs) EXPECT_EQ(exec.header().cgroup_id, box->id());
}

TEST_F(Cgroup, WatchAndUnwatchOnRequest) {
  start();
  const auto known = workspace(1);
  const TestCgroup box(tree(), base() + "/free-name");
  int stop[2];
  ASSERT_EQ(pipe(stop), 0);
  Child before = spawn_in(box, [&] {
    close(stop[1]);
    char c;
    return read(stop[0], &c, 1) == 0 ? run_true() : 1;
  });
  close(stop[0]);
  while (!tree().holds_process(box.path(), static_cast<uint32_t>(before.pid()))) sched_yield();
  EXPECT_EQ(workspace_of_exec_in(box, *known), 0u);
  ASSERT_TRUE(sensor_->watch(box.id()).ok());
  EXPECT_TRUE(wait_for(made(box)));
  EXPECT_TRUE(wait_for(of(PK_FOUND, before.pid())));
  EXPECT_EQ(workspace_of_exec_in(box, *known), box.id());
  sensor_->unwatch(box.id());
  EXPECT_EQ(workspace_of_exec_in(box, *known), 0u);
  const pid_t pid = before.pid();
  close(stop[1]);
  before.wait();
  EXPECT_EQ(workspace_of_exec_in(*known, *known), known->id());
  EXPECT_EQ(count(of(PK_EXEC, pid)), 0u);
}

}  // namespace
}  // namespace picket::live
