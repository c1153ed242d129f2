// TR7: a thousand identical alerts are one, with a count and the times of the first and the last.
// The alerts of one attack chain are one incident: each says whose story it belongs to, what led to
// it and at which stage it is, also where the attacker leaves session and parents behind. Two
// lineages are two stories.
#include "tests/acceptance/shell_test.h"
#include "tests/acceptance/stored_alerts.h"

namespace picket::test {
namespace {

constexpr const char* kEscape = "escape open /proc/sys/kernel/core_pattern";

class TR7 : public ShellTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = rule("test.same",
                          "evt.type in (execve, execveat) and proc.args startswith "
                          "load-",
                          "  merge: lineage\n")});
    if (HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
  }
  // A reverse shell whose far end has it run the command.
  void shell(int port, const std::string& command) {
    ASSERT_EQ(run({"listener", std::to_string(port), "1", command}), 0);
    run({"reverse_shell", "dup2", std::to_string(port)});
    EXPECT_TRUE(proof_came(port));
    EXPECT_TRUE(
        until([&] { return std::filesystem::exists(container_->written("/tmp/escaped")); }));
    std::filesystem::remove(container_->written("/tmp/escaped"));
  }
  Alert one(const std::vector<Alert>& alerts, const std::string& name) {
    const auto found = by_rule(alerts, name);
    EXPECT_EQ(found.size(), 1u) << name << ": " << Alert(alerts).dump(1);
    return found.empty() ? Alert() : found.back();
  }
  std::string picketctl(std::vector<std::string> arguments) {
    const auto done = deployment().picketctl(std::move(arguments));
    EXPECT_TRUE(done.ok() && done->exit_code == 0);
    return done.ok() ? done->out : "";
  }
  void expect_led_to(const Alert& shell, const Alert& escape) {
    EXPECT_EQ(shell["incident"]["id"], shell["id"]);
    EXPECT_EQ(shell["incident"]["stage"], "execution");
    EXPECT_FALSE(shell["incident"].contains("parent"));
    EXPECT_EQ(escape["incident"]["id"], shell["id"]) << escape;
    EXPECT_EQ(escape["incident"]["parent"], shell["id"]);
    EXPECT_EQ(escape["incident"]["stage"], "privilege_escalation");
    EXPECT_GT(escape["incident"]["position"], shell["incident"]["position"]);
  }
};

TEST_F(TR7, AThousandAreOneWithACountAndTimes) {
  constexpr uint64_t kAlerts = 1000;
  ASSERT_EQ(run({"load", "/tmp/load", std::to_string(kAlerts), "0"}), 0);
  std::vector<Alert> stored;
  ASSERT_TRUE(until([&] {
    stored = stored_alerts(deployment(), "test.same");
    return !stored.empty() && stored.front()["count"] == kAlerts;
  })) << Alert(stored).dump(1);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0]["first"], stored[0]["time"]);
  EXPECT_GT(stored[0]["last"], stored[0]["first"]);
}

TEST_F(TR7, AnEscapeAfterAReverseShellIsOneStory) {
  shell(4401, std::string(kEscape) + "; touch /tmp/escaped");
  const auto alerts = distinct(alerts_so_far(*container_));
  const Alert begun = one(alerts, "reverse_shell"), escape = one(alerts, "escape.core_pattern");
  expect_led_to(begun, escape);
  EXPECT_THAT(
      picketctl({"alerts", "show", escape["id"]}),
      ::testing::AllOf(::testing::HasSubstr("reverse_shell  (execution)"),
                       ::testing::HasSubstr("escape.core_pattern  (privilege_escalation)")));
  const auto incident = Alert::parse(picketctl({"incidents", "get", begun["id"], "-o", "json"}));
  EXPECT_THAT(incident["stages"], ::testing::ElementsAre("execution", "privilege_escalation"));
}

TEST_F(TR7, WhoLeavesSessionAndParentsStaysInTheStory) {
  shell(4402, fmt::format("(setsid sh -c '/bin/true; {}; touch /tmp/escaped' &)", kEscape));
  const auto alerts = distinct(alerts_so_far(*container_));
  expect_led_to(one(alerts, "reverse_shell"), one(alerts, "escape.core_pattern"));
}

TEST_F(TR7, TwoLineagesAreTwoStories) {
  shell(4403, "touch /tmp/escaped");
  ASSERT_GE(container_->run({"escape", "open", "/proc/sys/kernel/core_pattern"})->exit_code, 0);
  const auto alerts = distinct(alerts_so_far(*container_));
  const Alert begun = one(alerts, "reverse_shell"), escape = one(alerts, "escape.core_pattern");
  EXPECT_EQ(escape["incident"]["id"], escape["id"]);
  EXPECT_NE(escape["incident"]["id"], begun["incident"]["id"]);
  EXPECT_EQ(escape["incident"]["position"], 1);
}

}  // namespace
}  // namespace picket::test
