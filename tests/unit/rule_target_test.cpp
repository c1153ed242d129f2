// What rules can ask of the process that a call or a signal is about.
#include <gtest/gtest.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

Scene trace() {
  Scene scene(PK_SYSTEM);
  scene.record.header().call = PK_CALL_ptrace;
  scene.with("argument0", "16").with("argument1", "7");
  scene.with("target_pid", "300").with("target_start_ns", "9").with("target_cgroup_id", "77");
  scene.with("target_is_told", "true").with("target_uid", "0").with("text0", "sudo");
  return scene;
}

TEST(TargetFields, AreTheKernelsAlsoWithoutAKnownProcess) {
  Scene scene = trace();
  EXPECT_TRUE(scene.matches("evt.type = ptrace and evt.arg.request = PTRACE_ATTACH"));
  EXPECT_TRUE(scene.matches("target.pid = 300 and target.uid = 0 and target.name = sudo"));
  EXPECT_TRUE(scene.matches("target.same_workspace = true and target.more_privileged = false"));
  EXPECT_TRUE(scene.matches("not target.exepath exists and target.is_descendant = false"));
  scene.with("target_more_privileged", "true").with("target_cgroup_id", "0");
  EXPECT_TRUE(scene.matches("target.more_privileged = true and target.same_workspace = false"));
}

TEST(TargetFields, AKnownProcessHasItsProgramAndItsLineage) {
  Scene scene = trace();
  Process traced;
  traced.key = {300, 9};
  traced.comm = "sudo";
  traced.exe = "/usr/bin/sudo";
  traced.argv = std::string_view("sudo\0-i\0", 8);
  traced.workspace_cgroup = scene.workspace.cgroup_id;
  scene.target = &traced;
  EXPECT_TRUE(scene.matches("target.exepath = /usr/bin/sudo and target.cmdline = 'sudo -i'"));
  EXPECT_TRUE(scene.matches("target.is_descendant = false"));
  traced.parent = &scene.process;
  EXPECT_TRUE(scene.matches("target.is_descendant = true"));
  EXPECT_EQ(scene.output("%target.name of %target.uid"), "sudo of 0");
}

// To a rule that does not ask how a call ended, an exec is a program that runs.
TEST(TargetFields, AnExecThatFailedIsForRulesThatAsk) {
  Scene scene(PK_SYSTEM);
  scene.record.header().call = PK_CALL_execve;
  scene.with("result", "-13").with("text0", "/usr/bin/nmap");
  EXPECT_TRUE(scene.matches("evt.type = execve and evt.failed = true"));
  EXPECT_TRUE(scene.matches("evt.type = execve and evt.res = EACCES and evt.rawres = -13"));
  EXPECT_TRUE(scene.matches("evt.failed = true and evt.arg.filename = /usr/bin/nmap"));
  EXPECT_FALSE(scene.matches("evt.type in (execve, execveat)"));
  EXPECT_FALSE(scene.matches("evt.type = system and evt.arg.filename exists"));
  EXPECT_FALSE(scene.matches("evt.type = execve and evt.failed = false"));
  scene.record.header().call = PK_CALL_mount;
  EXPECT_TRUE(scene.matches("evt.type = mount and not evt.type = execve"));
}

// Registers have 64 bits, most arguments 32: the rest is what the caller left there.
TEST(TargetFields, ArgumentsAreAsTheKernelTookThem) {
  Scene scene(PK_SYSTEM);
  const auto call = [&](pk_call number, const char* first, const char* second) {
    scene.record.header().call = number;
    scene.with("argument0", first).with("argument1", second);
  };
  call(PK_CALL_bpf, "4294967301", "0");
  scene.with("argument3", "2");
  EXPECT_TRUE(scene.matches("evt.arg.cmd = BPF_PROG_LOAD"));
  EXPECT_TRUE(scene.matches("evt.arg.prog_type = BPF_PROG_TYPE_KPROBE"));
  call(PK_CALL_setuid, "4294967296", "0");
  EXPECT_TRUE(scene.matches("evt.arg.uid = root"));
  call(PK_CALL_setns, "4294967295", "4362076160");
  EXPECT_TRUE(scene.matches("evt.arg.fd = -1 and evt.arg.nstype = CLONE_NEWUTS"));
}

// A recording from before has the target of a signal and nothing more about it.
TEST(TargetFields, WhatWasNotToldIsMissing) {
  Scene scene(PK_SYSTEM);
  scene.record.header().call = PK_CALL_kill;
  EXPECT_FALSE(scene.matches("target.pid exists or target.is_descendant exists"));
  scene.with("target_pid", "300").with("target_start_ns", "9");
  EXPECT_TRUE(scene.matches("target.pid = 300 and target.same_workspace = false"));
  EXPECT_FALSE(scene.matches("target.uid exists or target.more_privileged exists"));
  EXPECT_FALSE(scene.matches("target.name exists"));
}

}  // namespace
}  // namespace picket
