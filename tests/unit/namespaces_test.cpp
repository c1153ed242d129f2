// A namespace is the workspace's when it was started in it or made it, whatever joins it later.
#include "agent/enrich/namespaces.h"

#include <gtest/gtest.h>

#include "tests/unit/records.h"

namespace picket {
namespace {

using test::At;

struct NamespacesTest : testing::Test {
  NamespacesTest() {
    init.vpid = 1;
    init.workspace_cgroup = child.workspace_cgroup = stage.workspace_cgroup = 7;
    child.parent = &init;
    child.vpid = 9;
    stage.vpid = 4000;
    stage.exec_in = stage.entering = true;
  }
  bool call(const Process& process, const char* name, const char* mnt_ns,
            const char* result = "0") {
    auto record = test::record(PK_SYSTEM, At{.time_ns = 5, .key = {9, 1}});
    test::set(record, "call", name);
    test::set(record, "mnt_ns", mnt_ns);
    test::set(record, "result", result);
    return apply(record.bytes(), process);
  }
  bool open(const Process& process, const char* mnt_ns) {
    auto record = test::record(PK_OPEN, At{.time_ns = 5, .key = {9, 1}});
    test::set(record, "kind", "file");
    test::set(record, "mnt_ns", mnt_ns);
    return apply(record.bytes(), process);
  }
  bool exec(const Process& process) {  // in mount namespace 100
    return apply(test::exec(At{.time_ns = 4, .key = {9, 1}}, {1, 1}, "/bin/sh"), process);
  }
  bool apply(const test::Bytes& bytes, const Process& process) {
    return namespaces.apply(*Event::parse(bytes), process);
  }
  Process init, child, stage;
  Namespaces namespaces;
};

TEST_F(NamespacesTest, WhatIsJoinedFirstIsForeignForGood) {
  EXPECT_FALSE(exec(init));
  EXPECT_FALSE(call(child, "setns", "100"));
  EXPECT_TRUE(call(child, "setns", "900"));
  EXPECT_TRUE(call(child, "setns", "900"));
  EXPECT_TRUE(open(child, "900"));
  EXPECT_FALSE(call(child, "setns", "901", "-1"));
}

TEST_F(NamespacesTest, WhatIsMadeOrRunInIsOwn) {
  EXPECT_FALSE(call(child, "unshare", "101"));
  EXPECT_FALSE(call(child, "setns", "101"));
  EXPECT_FALSE(open(child, "101"));
  EXPECT_FALSE(open(child, "0"));
  EXPECT_TRUE(open(child, "102"));
}

TEST_F(NamespacesTest, ARuntimeOnItsWayInTeachesAndBetraysNothing) {
  EXPECT_FALSE(call(stage, "setns", "900"));
  EXPECT_FALSE(exec(stage));
  stage.entering = false;
  EXPECT_FALSE(exec(stage)) << "a process put in says nothing of whose its namespaces are";
  EXPECT_TRUE(call(stage, "setns", "100"));
}

TEST_F(NamespacesTest, TheFirstProcessOpensWhatItsRuntimeGaveIt) {
  Process first = init;
  first.entering = true;
  EXPECT_FALSE(open(first, "900"));
  first.entering = false;
  EXPECT_TRUE(open(first, "900")) << "it runs its program now";
}

TEST_F(NamespacesTest, ARuntimesNameHelpsNobodyWhoWasStartedInside) {
  init.exec_time_ns = 1;
  child.comm = "runc:[2:INIT]";
  child.vpid = 1;  // in a namespace of its own
  EXPECT_TRUE(open(child, "900"));
}

}  // namespace
}  // namespace picket
