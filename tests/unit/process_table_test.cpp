#include "agent/enrich/process_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "agent/enrich/lineage.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

using test::At;
using test::Bytes;

constexpr uint64_t kSecond = 1'000'000'000;

class Processes : public ::testing::Test {
 protected:
  const Process& apply(const Bytes& record) {
    const auto event = Event::parse(record);
    EXPECT_TRUE(event);
    return table_.apply(*event);
  }
  const Process& get(ProcessKey key) {
    const Process* process = table_.find(key);
    EXPECT_NE(process, nullptr) << key.pid;
    static const Process kNone;
    return process ? *process : kNone;
  }
  ProcessTable table_{{.max_processes = 1000, .grace_ns = 10 * kSecond, .max_depth = 8}};
  const ProcessKey shell_{10, 100}, child_{11, 200}, grandchild_{12, 300};
};

TEST_F(Processes, ForkCopiesTheParentAsItIsThen) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  const Process& child =
      apply(test::fork({.time_ns = 200, .key = child_, .uid = 5}, shell_, CLONE_NEWNET));
  apply(test::exec({.time_ns = 210, .key = shell_}, {1, 1}, "/bin/zsh"));
  EXPECT_EQ(child.exe, "/bin/bash");
  EXPECT_EQ(child.cmdline(), "/bin/bash --flag");
  EXPECT_EQ(child.comm, "forked");
  EXPECT_EQ(child.exec_time_ns, 0u);
  EXPECT_EQ(child.mnt_ns, 100u);
  EXPECT_EQ(child.net_ns, 0u);  // made new by the call: its number is unknown
  EXPECT_EQ(child.uid, 5u);
  EXPECT_EQ(child.parent, table_.find(shell_));
  EXPECT_EQ(get(shell_).exe, "/bin/zsh");
}

TEST_F(Processes, ExecReplacesTheProgramAndKeepsTheParentOfTheFork) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  const Process& child =
      apply(test::exec({.time_ns = 220, .key = child_, .flags = PK_EXEC_IN}, {1, 1}, "/bin/nc"));
  EXPECT_EQ(child.exe, "/bin/nc");
  EXPECT_EQ(child.comm, "nc");
  EXPECT_EQ(child.exec_time_ns, 220u);
  EXPECT_TRUE(child.exec_in);
  EXPECT_EQ(child.parent_key, shell_);
  EXPECT_EQ(child.parent, table_.find(shell_));
}

TEST_F(Processes, StdioReplacesTheDescriptors) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  RecordBuilder builder = test::record(PK_STDIO, {.time_ns = 120, .key = shell_});
  test::set(builder, "fd0.kind", "inet");
  test::set(builder, "fd1.kind", "pipe");
  const Process& shell = apply(builder.bytes());
  EXPECT_EQ(shell.fd[0].kind, PK_FD_INET);
  EXPECT_EQ(shell.fd[1].kind, PK_FD_PIPE);
}

TEST_F(Processes, LineageEndsAtTheWorkspacesFirstProcess) {
  apply(test::exec({.time_ns = 50, .key = {5, 50}, .workspace = 0}, {1, 1},
                   "/usr/bin/containerd-shim"));
  apply(test::exec({.time_ns = 110, .key = shell_}, {5, 50}, "/bin/bash"));
  apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  const Process& last = apply(test::fork({.time_ns = 300, .key = grandchild_}, child_));
  std::vector<uint32_t> pids;
  for (const Process& ancestor : lineage(last)) pids.push_back(ancestor.key.pid);
  EXPECT_THAT(pids, ::testing::ElementsAre(11, 10));
}

TEST_F(Processes, ARuntimeIsEnteringUntilItRunsAProgramOfTheWorkspace) {
  const Process& runtime =
      apply(test::cgroup(PK_CGROUP_ATTACH, {.time_ns = 110, .key = shell_}, 7, "/demo"));
  apply(test::found({.time_ns = 111, .key = shell_}, {1, 1}, "/usr/sbin/runc"));
  apply(test::exec({.time_ns = 120, .key = shell_}, {1, 1}, "memfd:runc_cloned:/proc/self/exe"));
  const Process& init = apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  EXPECT_TRUE(runtime.entering);
  EXPECT_TRUE(init.entering);
  apply(test::exec({.time_ns = 210, .key = child_}, shell_, "/bin/sh"));
  EXPECT_FALSE(init.entering);
  EXPECT_FALSE(apply(test::fork({.time_ns = 300, .key = grandchild_}, child_)).entering);
  EXPECT_TRUE(runtime.entering);
}

TEST_F(Processes, StagesOfARuntimeThatAreMadeAsSiblingsAreEntering) {
  const ProcessKey outside{5, 50};
  apply(test::cgroup(PK_CGROUP_ATTACH, {.time_ns = 110, .key = shell_}, 7, "/demo"));
  apply(test::found({.time_ns = 111, .key = shell_}, outside, "/usr/sbin/runc"));
  const Process& stage = apply(test::fork({.time_ns = 200, .key = child_}, outside, CLONE_PARENT));
  EXPECT_TRUE(stage.entering);
  apply(test::exec({.time_ns = 210, .key = shell_}, outside, "/bin/sh"));
  apply(test::exec({.time_ns = 220, .key = child_}, outside, "/bin/sh"));
  EXPECT_FALSE(
      apply(test::fork({.time_ns = 300, .key = grandchild_}, outside, CLONE_PARENT)).entering)
      << "the first process makes one that looks as if made outside";
}

TEST_F(Processes, WhoIsBornInsideOrComesBackIsNotEntering) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/sh"));
  const Process& shell =
      apply(test::cgroup(PK_CGROUP_ATTACH, {.time_ns = 120, .key = shell_}, 7, "/demo"));
  EXPECT_FALSE(shell.entering);
  EXPECT_FALSE(apply(test::exec({.time_ns = 130, .key = shell_}, {1, 1}, "memfd:x")).entering);
  EXPECT_FALSE(apply(test::fork({.time_ns = 200, .key = child_}, shell_)).entering);
}

TEST_F(Processes, WhoIsMadeRightIntoTheCgroupIsEntering) {
  EXPECT_TRUE(
      apply(test::fork({.time_ns = 200, .key = child_, .flags = PK_EXEC_IN}, shell_)).entering);
}

TEST_F(Processes, AncestorsStayUntilTheirLastDescendantIsGone) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  apply(test::fork({.time_ns = 300, .key = grandchild_}, child_));
  apply(test::exit({.time_ns = 400, .key = shell_}));
  apply(test::exit({.time_ns = 410, .key = child_}));
  apply(test::connect({.time_ns = 100 * kSecond, .key = grandchild_}));
  EXPECT_TRUE(get(shell_).exited);
  EXPECT_EQ(get(grandchild_).parent->parent, table_.find(shell_));
  EXPECT_EQ(table_.size(), 3u);

  apply(test::exit({.time_ns = 101 * kSecond, .key = grandchild_}));
  EXPECT_EQ(table_.size(), 3u);  // late records still find it
  apply(test::connect({.time_ns = 200 * kSecond, .key = {99, 5}}));
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(table_.find(shell_), nullptr);
}

TEST_F(Processes, APidThatIsUsedAgainIsAnotherProcess) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::exit({.time_ns = 120, .key = shell_}));
  const ProcessKey again{shell_.pid, 500};
  apply(test::exec({.time_ns = 510, .key = again}, {1, 1}, "/bin/dash"));
  EXPECT_EQ(get(shell_).exe, "/bin/bash");
  EXPECT_TRUE(get(shell_).exited);
  EXPECT_EQ(get(again).exe, "/bin/dash");
  EXPECT_FALSE(get(again).exited);
  EXPECT_EQ(table_.find_pid(shell_.pid), table_.find(again));
  EXPECT_EQ(table_.stats().inferred_exits, 0u);
}

TEST_F(Processes, AMissedExitIsInferredFromTheReusedPid) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::fork({.time_ns = 500, .key = {shell_.pid, 500}}, {1, 1}));
  EXPECT_TRUE(get(shell_).exited);
  EXPECT_EQ(table_.stats().inferred_exits, 1u);
  // A late record of the old process neither revives it nor takes the pid back.
  apply(test::connect({.time_ns = 501, .key = shell_}));
  EXPECT_TRUE(get(shell_).exited);
  EXPECT_EQ(table_.find_pid(shell_.pid)->key.start_ns, 500u);
}

TEST_F(Processes, FoundAfterForkAndExecChangesNothingNewer) {
  apply(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::found({.time_ns = 105, .key = shell_}, {1, 1}, "/bin/old"));
  EXPECT_EQ(get(shell_).exe, "/bin/bash");
  EXPECT_EQ(table_.stats().stale, 1u);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(Processes, FoundBeforeALateForkKeepsItsStateAndGetsTheForksParent) {
  apply(test::found({.time_ns = 250, .key = child_}, {1, 1}, "/bin/nc"));
  apply(test::found({.time_ns = 251, .key = shell_}, {1, 1}, "/bin/bash"));
  apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  EXPECT_EQ(get(child_).exe, "/bin/nc");
  EXPECT_EQ(get(child_).parent, table_.find(shell_));
  EXPECT_EQ(table_.size(), 2u);
}

TEST_F(Processes, FoundAfterExitDoesNotReviveTheDead) {
  apply(test::exit({.time_ns = 300, .key = shell_}));
  apply(test::found({.time_ns = 290, .key = shell_}, {1, 1}, "/bin/bash"));
  EXPECT_TRUE(get(shell_).exited);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(Processes, ChildrenThatCameBeforeTheirParentAreLinkedAndFilled) {
  apply(test::fork({.time_ns = 200, .key = child_}, shell_));
  apply(test::fork({.time_ns = 300, .key = grandchild_}, child_));
  EXPECT_EQ(get(child_).parent, nullptr);
  EXPECT_EQ(get(child_).parent_key, shell_);
  apply(test::found({.time_ns = 400, .key = shell_}, {1, 1}, "/bin/bash"));
  EXPECT_EQ(get(child_).parent, table_.find(shell_));
  EXPECT_EQ(get(child_).exe, "/bin/bash");
  EXPECT_EQ(get(grandchild_).exe, "/bin/bash");
}

TEST_F(Processes, AProcessThatWasNeverSeenStillHasItsKeyAndWorkspace) {
  const Process& process = apply(test::connect({.time_ns = 110, .key = shell_, .uid = 3}));
  EXPECT_EQ(process.key, shell_);
  EXPECT_EQ(process.workspace_cgroup, 7u);
  EXPECT_EQ(process.uid, 3u);
  EXPECT_EQ(table_.stats().incomplete, 1u);
}

TEST_F(Processes, TheRuntimeThatMakesACgroupIsNoProcessOfIt) {
  const Process& process =
      apply(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 1, .key = {77, 1}}, 7, "/workspace"));
  EXPECT_EQ(process.key.pid, 77u);
  EXPECT_EQ(process.workspace_cgroup, 0u);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(Processes, AProcessKeepsTheWorkspaceItEnteredFirst) {
  apply(test::exec({.time_ns = 110, .key = shell_, .workspace = 7}, {1, 1}, "/bin/bash"));
  apply(test::connect({.time_ns = 120, .key = shell_, .workspace = 8}));
  EXPECT_EQ(get(shell_).workspace_cgroup, 7u);
}

TEST_F(Processes, DeepLineagesLoseExitedAncestorsButKeepTheirOrigin) {
  apply(test::exec({.time_ns = 1, .key = {1000, 1}}, {1, 0}, "/bin/origin"));
  uint64_t time = kSecond;
  for (uint32_t i = 1; i <= 100; ++i, time += kSecond) {
    apply(test::fork({.time_ns = time, .key = {1000 + i, time}},
                     {999 + i, i == 1 ? 1 : time - kSecond}));
    if (i > 1) apply(test::exit({.time_ns = time + 1, .key = {999 + i, time - kSecond}}));
  }
  EXPECT_GT(table_.stats().collapsed, 0u);
  EXPECT_LT(table_.size(), 40u);
  const Process* last = table_.find({1100, time - kSecond});
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->exe, "/bin/origin");
  const Process* oldest = last;
  for (const Process& ancestor : lineage(*last)) oldest = &ancestor;
  EXPECT_EQ(oldest->key.pid, 1000u);
}

TEST_F(Processes, ParentsThatCannotBeAreNotBelieved) {
  apply(test::fork({.time_ns = 200, .key = child_}, child_));
  apply(test::fork({.time_ns = 300, .key = shell_}, grandchild_));  // younger than its child
  apply(test::fork({.time_ns = 301, .key = grandchild_}, shell_));
  EXPECT_EQ(get(child_).parent, nullptr);
  EXPECT_EQ(get(shell_).parent, nullptr);
  EXPECT_EQ(get(grandchild_).parent, table_.find(shell_));
}

}  // namespace
}  // namespace picket
