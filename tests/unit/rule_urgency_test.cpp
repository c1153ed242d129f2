// Which records wake the agent at once is derived from the rules: never fewer than could match an
// urgent one.
#include <gtest/gtest.h>

#include "agent/detect/rule/urgency.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

constexpr uint64_t kEveryClass = ~uint64_t{0};
constexpr uint32_t kOrdinary = PK_CLASS(PK_LAYER_IMAGE);

std::string rule(std::string_view condition, std::string_view rest) {
  return "- rule: r\n  desc: d\n  output: it happened\n  " + std::string(rest) +
         "\n  condition: |\n    " + std::string(condition) + "\n";
}
std::string urgent(std::string_view condition) { return rule(condition, "priority: CRITICAL"); }
std::string killing(std::string_view condition) {
  return rule(condition, "priority: NOTICE\n  respond: kill");
}

bool wakes(const std::string& rules, pk_type type, uint32_t number = PK_CLASS_ANY) {
  return (urgency_of(*rules_of(rules)).classes[type] >> number & 1) != 0;
}
bool wakes_exec(const std::string& rules, uint32_t number) { return wakes(rules, PK_EXEC, number); }

TEST(Urgency, OnlyWhatASevereOrRespondingRuleCouldMatchWakes) {
  const std::string condition = "evt.type = execve and proc.name = nc";
  EXPECT_FALSE(wakes_exec(rule(condition, "priority: WARNING"), kOrdinary));
  EXPECT_TRUE(wakes_exec(rule(condition, "priority: CRITICAL"), kOrdinary));
  EXPECT_TRUE(wakes_exec(rule(condition, "priority: DEBUG\n  respond: freeze"), kOrdinary));
  EXPECT_FALSE(wakes_exec(rule(condition, "priority: CRITICAL\n  enabled: false"), kOrdinary));
}

TEST(Urgency, ARuleWakesForItsOwnEventsOnly) {
  const std::string rules = killing("evt.type = connect and fd.rport = 4444");
  EXPECT_TRUE(wakes(rules, PK_CONNECT));
  EXPECT_FALSE(wakes_exec(rules, kOrdinary));
  EXPECT_FALSE(wakes(rules, PK_FORK));
  EXPECT_FALSE(wakes(rules, PK_EXIT));
  EXPECT_FALSE(wakes(rules, PK_STDIO));
  EXPECT_TRUE(wakes(killing("evt.type = clone"), PK_FORK));
  EXPECT_TRUE(wakes(killing("evt.type = procexit"), PK_EXIT));
}

TEST(Urgency, ARuleThatNamesNoEventWakesForAll) {
  const auto classes = urgency_of(*rules_of(killing("proc.name = nc"))).classes;
  EXPECT_EQ(classes[PK_FORK], kEveryClass);
  EXPECT_EQ(classes[PK_CONNECT], kEveryClass);
  for (uint32_t number = 0; number < PK_CLASSES; ++number)
    EXPECT_TRUE(classes[PK_EXEC] >> number & 1) << number;
}

constexpr uint32_t kPlainRead = PK_CLASS_PLAIN(PK_OPENS_OF(1, 0, 0));
constexpr uint32_t kPlainWrite = PK_CLASS_PLAIN(PK_OPENS_OF(0, 1, 0));
constexpr uint32_t kNamedRead = PK_CLASS_PLAIN(PK_OPENS_OF(1, 0, 1));

TEST(Urgency, AnOpenOfInterestWakesWhereAnyOtherNeedNot) {
  const std::string switches = urgent("evt.type = file_open and fd.inner_path = /kcore");
  EXPECT_TRUE(wakes(switches, PK_OPEN, PK_CLASS_ANY));
  const std::string refused = urgent("evt.type = file_open and evt.failed = true");
  for (const uint32_t number : {kPlainRead, kPlainWrite, kNamedRead}) {
    EXPECT_FALSE(wakes(switches, PK_OPEN, number));
    EXPECT_FALSE(wakes(refused, PK_OPEN, number));
    EXPECT_TRUE(wakes(urgent("evt.type = file_open and fd.name startswith /x"), PK_OPEN, number));
  }
}

TEST(Urgency, TheNameAndTheModeOfAnOpenDecide) {
  const std::string name = urgent("evt.type = file_open and fd.name in (/x, /y/z)");
  EXPECT_FALSE(wakes(name, PK_OPEN, kPlainRead));
  EXPECT_TRUE(wakes(name, PK_OPEN, kNamedRead));
  const std::string written = urgent("evt.type = file_open and evt.is_open_write = true");
  EXPECT_FALSE(wakes(written, PK_OPEN, kPlainRead));
  EXPECT_FALSE(wakes(written, PK_OPEN, kNamedRead));
  EXPECT_TRUE(wakes(written, PK_OPEN, kPlainWrite));
  EXPECT_TRUE(wakes(urgent("evt.type = file_open and fd.name != /x"), PK_OPEN, kPlainRead));
  EXPECT_FALSE(wakes(urgent("evt.type = open_by_handle_at"), PK_OPEN, kPlainRead));
  EXPECT_TRUE(wakes(urgent("evt.type = openat"), PK_OPEN, kPlainRead));
  const std::string unseen = "evt.type = file_open and event.kind = none and fd.name contains x";
  EXPECT_FALSE(wakes(urgent(unseen), PK_OPEN, kPlainRead));
  EXPECT_TRUE(wakes(urgent("evt.type = file_open and event.kind = file"), PK_OPEN, kPlainRead));
  EXPECT_TRUE(wakes(urgent("evt.type = file_open and event.kind != none"), PK_OPEN, kPlainRead));
}

TEST(Urgency, TheCallDecides) {
  const Urgency urgency = urgency_of(*rules_of(urgent("evt.type = bind and fd.sport = 22")));
  EXPECT_EQ(urgency.classes[PK_SOCKET], kEveryClass);
  EXPECT_TRUE(urgency.calls[PK_CALL_bind]);
  for (const pk_call call : {PK_CALL_socket, PK_CALL_listen, PK_CALL_accept, PK_CALL_mount})
    EXPECT_FALSE(urgency.calls[call]) << call;
  EXPECT_TRUE(urgency_of(*rules_of(urgent("proc.name = x"))).calls[PK_CALL_mount]);
}

TEST(Urgency, WorkspacesAlwaysWake) {
  const std::string rules = rule("evt.type = execve", "priority: DEBUG");
  for (const pk_type type : {PK_CGROUP_MKDIR, PK_CGROUP_RMDIR, PK_CGROUP_ATTACH})
    EXPECT_TRUE(wakes(rules, type)) << type;
}

TEST(Urgency, TheLayerDecides) {
  for (const char* condition : {"evt.type = execve and proc.layer = memfd",
                                "evt.type = execve and proc.is_exe_from_memfd = true",
                                "evt.type = execve and proc.layer in (memfd) and proc.name = x"}) {
    EXPECT_FALSE(wakes_exec(urgent(condition), kOrdinary)) << condition;
    EXPECT_TRUE(wakes_exec(urgent(condition), PK_CLASS(PK_LAYER_MEMFD))) << condition;
    EXPECT_TRUE(wakes_exec(urgent(condition), PK_CLASS_ANY)) << condition;
  }
  const std::string not_image = urgent("evt.type = execve and not proc.layer = image");
  EXPECT_FALSE(wakes_exec(not_image, kOrdinary));
  for (const pk_layer layer : {PK_LAYER_UNKNOWN, PK_LAYER_UPPER, PK_LAYER_DELETED, PK_LAYER_MOUNT})
    EXPECT_TRUE(wakes_exec(not_image, PK_CLASS(layer))) << layer;
}

TEST(Urgency, WhoPutItInDecides) {
  const std::string rules = urgent("evt.type = execve and proc.exec_in = true");
  EXPECT_FALSE(wakes_exec(rules, kOrdinary));
  EXPECT_TRUE(wakes_exec(rules, kOrdinary + PK_CLASS_EXEC_IN));
}

TEST(Urgency, ASocketAmongTheDescriptorsDecides) {
  for (const char* condition :
       {"proc.stdin.kind = inet", "proc.stdin.direction = outbound", "proc.stdout.remote_port = 53",
        "proc.stderr.remote_ip = 10.0.0.1", "proc.stdin.proto = tcp", "proc.stdin.local_ip exists",
        "proc.stdin.kind = inet and proc.stdout.kind = inet"}) {
    const std::string rules = urgent("evt.type = execve and " + std::string(condition));
    EXPECT_FALSE(wakes_exec(rules, kOrdinary)) << condition;
    EXPECT_TRUE(wakes_exec(rules, kOrdinary + PK_CLASS_INET)) << condition;
  }
  for (const char* condition :
       {"proc.stdin.kind = unix", "proc.stdin.inode = 5", "proc.stdin.kind != inet",
        "not proc.stdin.direction = outbound", "proc.stdio.inherited = false"}) {
    const std::string rules = urgent("evt.type = execve and " + std::string(condition));
    EXPECT_TRUE(wakes_exec(rules, kOrdinary)) << condition;
  }
}

TEST(Urgency, WhatTheKernelDoesNotLookAtWakes) {
  for (const char* condition :
       {"proc.name = nc", "event.layer = memfd", "user.uid = 0", "workspace.name = demo",
        "proc.layer = memfd or proc.name = nc", "not (proc.layer = memfd and proc.name = nc)"}) {
    const std::string rules = urgent("evt.type = execve and (" + std::string(condition) + ")");
    EXPECT_TRUE(wakes_exec(rules, kOrdinary)) << condition;
  }
}

TEST(Urgency, TheShippedRulesLetOrdinaryWorkWait) {
  LoadReport report;
  const std::filesystem::path folder = PICKET_SOURCE_DIR "/rules";
  const auto rules = load_rules(std::span(&folder, 1), report);
  ASSERT_TRUE(rules.ok()) << report.error_text();
  const Urgency urgency = urgency_of(**rules);
  const auto& classes = urgency.classes;
  EXPECT_FALSE(classes[PK_EXEC] >> kOrdinary & 1);
  EXPECT_FALSE(classes[PK_OPEN] >> kPlainRead & 1);
  EXPECT_TRUE(classes[PK_OPEN] >> PK_CLASS_ANY & 1);
  EXPECT_FALSE(urgency.calls[PK_CALL_socket]);
  EXPECT_FALSE(urgency.calls[PK_CALL_mkdir]);
  EXPECT_TRUE(urgency.calls[PK_CALL_mount]);
  EXPECT_TRUE(classes[PK_EXEC] >> (kOrdinary + PK_CLASS_INET) & 1);
  EXPECT_TRUE(classes[PK_EXEC] >> PK_CLASS(PK_LAYER_MEMFD) & 1);
  EXPECT_EQ(classes[PK_STDIO], kEveryClass);
  EXPECT_EQ(classes[PK_CONNECT], 0u);
}

// The promise itself: whatever matches an urgent rule is of a class that wakes.
TEST(Urgency, NothingThatMatchesIsLeftAsleep) {
  const std::vector<std::string> conditions = {
      "proc.layer in (upper, mount)", "proc.stdin.kind in (inet, pipe)", "proc.exec_in = true",
      "not proc.stdout.kind = tty and proc.layer != image",
      "proc.stdin.direction = outbound or proc.is_exe_upper_layer = true"};
  for (const std::string& condition : conditions) {
    const auto rules = rules_of(urgent("evt.type = execve and (" + condition + ")"));
    const uint64_t classes = urgency_of(*rules).classes[PK_EXEC];
    RuleDetector detector(rules);
    for (uint8_t layer = 0; layer < PK_LAYER_END; ++layer)
      for (uint8_t kind = 0; kind < PK_FD_KIND_END; ++kind)
        for (const bool exec_in : {false, true}) {
          Scene scene;
          scene.process.layer = layer;
          scene.process.exec_in = exec_in;
          for (pk_fd& fd : scene.process.fd) fd.kind = kind;
          scene.process.fd[0].direction = PK_DIR_OUTBOUND;
          const uint32_t number = PK_CLASS(layer) + (kind == PK_FD_INET ? PK_CLASS_INET : 0) +
                                  (exec_in ? PK_CLASS_EXEC_IN : 0);
          if (scene.run(detector).empty()) continue;
          EXPECT_TRUE(classes >> number & 1) << condition << ", class " << number;
        }
  }
}

}  // namespace
}  // namespace picket
