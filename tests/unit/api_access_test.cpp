// Kubernetes' audit log: which lines tell of somebody who goes into a pod, how the log is followed,
// and which process an access is joined with.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/app/api_accesses.h"
#include "agent/app/audit_log.h"
#include "common/bounded_queue.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr uint64_t kSecond = 1'000'000'000;

std::string line(const std::string& change = "{}") {
  auto event = nlohmann::json::parse(R"({
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseStarted", "auditID": "id-1",
    "requestURI": "/api/v1/namespaces/dev/pods/ws-1/exec?command=sh&command=-c&command=echo+a%26b&container=workspace&stdin=true",
    "verb": "create", "user": {"username": "ann@example.org", "groups": ["devs", "all"]},
    "sourceIPs": ["10.1.2.3", "10.0.0.1"], "userAgent": "kubectl/v1.30",
    "objectRef": {"resource": "pods", "namespace": "dev", "name": "ws-1", "subresource": "exec"},
    "responseStatus": {"code": 101},
    "requestReceivedTimestamp": "2026-11-27T03:00:01.500000Z"})");
  event.merge_patch(nlohmann::json::parse(change));
  return event.dump();
}

TEST(AuditEvent, SaysWhoWhereAndWhat) {
  const auto access = parse_api_access(line());
  ASSERT_TRUE(access.ok() && access->has_value()) << access.status();
  EXPECT_EQ((*access)->user, "ann@example.org");
  EXPECT_THAT((*access)->groups, ElementsAre("devs", "all"));
  EXPECT_EQ((*access)->source, "10.1.2.3");
  EXPECT_EQ((*access)->pod, "ws-1");
  EXPECT_EQ((*access)->container, "workspace");
  EXPECT_THAT((*access)->command, ElementsAre("sh", "-c", "echo a&b"));
  EXPECT_EQ((*access)->wall_ns, *wall_ns_of("2026-11-27T03:00:01Z") + kSecond / 2);
  EXPECT_EQ((*parse_api_access(line(R"({"impersonatedUser": {"username": "bob"}})")))->user,
            "ann@example.org as bob");
}

TEST(AuditEvent, OtherEventsAreNone) {
  for (const char* change :
       {R"({"stage": "RequestReceived"})", R"({"responseStatus": {"code": 403}})",
        R"({"objectRef": {"subresource": "log"}})", R"({"objectRef": {"resource": "nodes"}})"}) {
    const auto access = parse_api_access(line(change));
    EXPECT_TRUE(access.ok() && !access->has_value()) << change;
  }
}

TEST(AuditEvent, WhatIsNoAuditEventIsAnError) {
  for (const std::string& text :
       {std::string("x"), std::string("{}"), std::string("[]"), line(R"({"kind": "Pod"})"),
        line(R"({"requestReceivedTimestamp": "today"})"), line(R"({"user": null})"),
        line(R"({"auditID": 7})")})
    EXPECT_FALSE(parse_api_access(text).ok()) << text;
}

struct AuditLogTest : testing::Test {
  static std::filesystem::path make_folder() {
    std::string name = testing::TempDir() + "audit-XXXXXX";
    return mkdtemp(name.data());
  }
  ~AuditLogTest() override { std::filesystem::remove_all(folder); }
  void append(const std::string& text) const {
    std::ofstream(folder / "audit.log", std::ios::app) << text;
  }
  std::string next() {
    const auto access = seen.pop(10s);
    return access ? access->audit_id : "nothing";
  }
  const std::filesystem::path folder = make_folder();
  BoundedQueue<ApiAccess> seen{64};
  AuditLog log{folder / "audit.log", [this](ApiAccess access) { seen.push(std::move(access)); }};
};

std::string with_id(const std::string& id) { return line(R"({"auditID": ")" + id + "\"}"); }

TEST_F(AuditLogTest, IsFollowedThroughHalvesRotationAndNonsense) {
  append(with_id("before") + "\n");
  ASSERT_TRUE(log.start().ok());
  append(with_id("a") + "\n");
  EXPECT_EQ(next(), "a") << "what was there before is history";
  const std::string split = with_id("b");
  append("no json\n" + split.substr(0, 20));
  append(split.substr(20) + "\n");
  EXPECT_EQ(next(), "b");
  append(std::string(2 << 20, 'x') + "\n" + with_id("c") + "\n");
  EXPECT_EQ(next(), "c") << "behind a line that is too long";
  append(with_id("last") + "\n");
  std::filesystem::rename(folder / "audit.log", folder / "audit.log.1");
  append(with_id("d") + "\n");
  EXPECT_EQ(next(), "last");
  EXPECT_EQ(next(), "d");
}

TEST_F(AuditLogTest, MayComeLaterAndItsFolderMustBeThere) {
  ASSERT_TRUE(log.start().ok());
  append(with_id("a") + "\n");
  EXPECT_EQ(next(), "a");
  EXPECT_FALSE(AuditLog("/nowhere/audit.log", [](ApiAccess) {}).start().ok());
}

// A pod's workspace (cgroup 7) with what was put into it.
struct ApiAccessesTest : testing::Test {
  ApiAccessesTest() {
    WorkspaceEntry& entry = *workspaces.open(7);
    entry.state = WorkspaceEntry::State::identified;
    entry.workspace.cgroup_id = 7;
    entry.workspace.id = "c1";
    entry.workspace.name = "workspace";
    entry.workspace.pod.name = "ws-1";
    entry.workspace.pod.ns = "dev";
  }
  // Its command is EXE --flag; with a parent it was started inside.
  void run(uint32_t pid, uint64_t seconds, const std::string& exe, ProcessKey parent = {},
           uint32_t flags = 0) {
    const auto record =
        test::exec({.time_ns = seconds * kSecond, .key = {pid, 1}, .workspace = 7, .flags = flags},
                   parent, exe);
    const auto event = Event::parse(record);
    ASSERT_TRUE(event.has_value());
    processes.apply(*event);
  }
  static ApiAccess exec_of(std::vector<std::string> command, uint64_t seconds,
                           const std::string& id = "id-1") {
    ApiAccess access;
    access.audit_id = id;
    access.verb = "exec";
    access.user = "ann";
    access.ns = "dev";
    access.pod = "ws-1";
    access.command = std::move(command);
    access.wall_ns = seconds * kSecond;
    return access;
  }
  std::vector<Finding> told(uint64_t seconds) {
    std::vector<Finding> findings;
    accesses.tell(workspaces, processes, Timeline{}, seconds * kSecond,
                  [&](Finding finding) { findings.push_back(std::move(finding)); });
    return findings;
  }
  WorkspaceTable workspaces{8};
  ProcessTable processes{ProcessTableOptions{}};
  ApiAccesses accesses;
};

TEST_F(ApiAccessesTest, AnAccessIsJoinedWithItsProcessByCommandAndTime) {
  run(10, 100, "/bin/sh");
  run(11, 101, "/bin/id");
  run(12, 103, "/bin/sh");
  run(13, 104, "/bin/sh", {12, 1});  // started inside: nearer in time, further from the root
  accesses.add(exec_of({"/bin/sh", "--flag"}, 104), 105 * kSecond);
  accesses.add(exec_of({"/bin/sh", "--flag"}, 104), 105 * kSecond);  // another stage of the same
  const auto found = told(105);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule, "picket.api_exec");
  EXPECT_EQ(found[0].process.key.pid, 12u) << "the nearest";
  EXPECT_EQ(found[0].workspace.id, "c1");
  EXPECT_EQ(found[0].output, "ann ran a command in dev/ws-1: /bin/sh --flag");
  EXPECT_EQ(found[0].fields.back().first, "process.tree");
  EXPECT_THAT(found[0].fields.back().second,
              testing::AllOf(HasSubstr("12 /bin/sh"), HasSubstr("13 /bin/sh")));
  accesses.add(exec_of({"/bin/sh", "--flag"}, 104, "id-2"), 105 * kSecond);
  EXPECT_EQ(told(105).at(0).process.key.pid, 10u) << "each process is one request's";
  accesses.add(exec_of({"/bin/id", "--flag"}, 104, "id-3"), 105 * kSecond);
  EXPECT_EQ(told(105).at(0).process.key.pid, 11u);
  run(20, 106, "/bin/w");
  run(21, 108, "/bin/w", {20, 1}, PK_EXEC_IN);
  accesses.add(exec_of({"/bin/w", "--flag"}, 106, "id-4"), 109 * kSecond);
  EXPECT_EQ(told(109).at(0).process.key.pid, 21u) << "the kernel says that it was put in";
}

TEST_F(ApiAccessesTest, TheProcessMayComeAfterTheRecordAndNotAtAll) {
  accesses.add(exec_of({"/bin/sh", "--flag"}, 100), 100 * kSecond);
  EXPECT_THAT(told(101), IsEmpty());
  run(10, 102, "/bin/sh");
  EXPECT_EQ(told(102).at(0).process.key.pid, 10u);
  accesses.add(exec_of({"/bin/sh", "--flag"}, 103, "id-2"), 103 * kSecond);
  EXPECT_THAT(told(107), IsEmpty()) << "10 is another request's";
  const auto alone = told(109);
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(alone[0].process.key.pid, 0u);
  EXPECT_THAT(alone[0].output, HasSubstr("no such process was seen"));
}

TEST_F(ApiAccessesTest, OtherPodsContainersAndTimesAreNotJoined) {
  run(10, 100, "/bin/sh");
  ApiAccess other = exec_of({"/bin/sh", "--flag"}, 100);
  other.pod = "ws-2";
  accesses.add(other, 100 * kSecond);
  EXPECT_THAT(told(110), IsEmpty()) << "it is not of this node";
  ApiAccess sidecar = exec_of({"/bin/sh", "--flag"}, 100, "id-2");
  sidecar.container = "sidecar";
  accesses.add(sidecar, 100 * kSecond);
  EXPECT_THAT(told(110), IsEmpty());
  accesses.add(exec_of({"/bin/sh", "--flag"}, 111, "id-3"), 111 * kSecond);
  EXPECT_EQ(told(120).at(0).process.key.pid, 0u);
}

TEST_F(ApiAccessesTest, AttachAndPortForwardAreOfTheWorkspacesFirstProcess) {
  workspaces.find(7)->workspace.init_pid = 20;
  const auto add = [&](const std::string& verb, uint64_t seconds) {
    ApiAccess access = exec_of({}, seconds, fmt::format("{} {}", verb, seconds));
    access.verb = verb;
    accesses.add(access, seconds * kSecond);
  };
  add("attach", 90);
  EXPECT_TRUE(told(94).empty()) << "it may still come";
  EXPECT_EQ(told(95).at(0).process.key.pid, 0u);
  for (const auto& [verb, rule] :
       {std::pair("attach", "picket.api_attach"), {"portforward", "picket.api_port_forward"}}) {
    add(verb, 100);
    run(20, 101, "/bin/sleep");
    const auto found = told(101);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].rule, rule);
    EXPECT_EQ(found[0].workspace.id, "c1");
    EXPECT_EQ(found[0].process.key.pid, 20u);
  }
}

}  // namespace
}  // namespace picket
