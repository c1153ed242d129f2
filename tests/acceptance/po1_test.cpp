// PO1: a program that is fetched, made executable, run and that connects, all within 60 s in one
// subtree, is one alert with the evidence of each step; the same things in another order, or in two
// subtrees, are none.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kRules = R"(
- rule: test.fetched_program
  desc: Of a test
  why: What was fetched a moment ago was built by nobody here.
  sequence:
    by: lineage
    within: 60s
    steps:
      - step: fetch
        condition: evt.type in (execve, execveat) and proc.name = wget
      - step: chmod
        condition: evt.type in (chmod, fchmod, fchmodat, fchmodat2)
      - step: exec
        condition: evt.type in (execve, execveat) and proc.exepath startswith /tmp/
      - step: connect
        condition: evt.type = connect and proc.exepath startswith /tmp/
  output: "%proc.cmdline connected to %fd.rip"
  priority: WARNING
)";

constexpr const char* kFetch = "/bin/wget -q -O /tmp/fetched http://127.0.0.1:9/ ";
constexpr const char* kMake = "cp $(command -v dns) /tmp/payload; /bin/chmod 755 /tmp/payload";
constexpr const char* kRun = "/tmp/payload try 127.0.0.1 80";

class PO1 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kRules, .shipped_rules = false});
    if (HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
  }

  // In a session, and so in a subtree, of its own; a child of the shell, which waits for it.
  void run(const std::string& script) {
    auto ended = container_->run({"sh", "-c", fmt::format("setsid sh -c '{}'; true", script)});
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << ended->out;
  }
  std::vector<Alert> found() {
    return distinct(by_rule(alerts_so_far(*container_), "test.fetched_program"));
  }

  std::unique_ptr<Container> container_;
};

TEST_F(PO1, FetchThenChmodThenExecThenConnectIsOneAlert) {
  run(fmt::format("{}; {}; {}", kFetch, kMake, kRun));
  const auto alerts = found();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  const Alert& alert = alerts[0];
  EXPECT_EQ(alert["output"], "payload try 127.0.0.1 80 connected to 127.0.0.1");
  EXPECT_EQ(alert["priority"], "WARNING");
  EXPECT_EQ(alert["count"], 1u);
  expect_identity(alert, *container_);
  EXPECT_EQ(tree_of(alert).back(), container_->init_pid()) << alert;

  const std::vector<std::vector<std::string>> expected = {{"fetch", "exec", "wget"},
                                                          {"chmod", "file_change", "chmod"},
                                                          {"exec", "exec", "payload"},
                                                          {"connect", "connect", "payload"}};
  ASSERT_EQ(alert["steps"].size(), expected.size()) << alert;
  std::string last;
  for (size_t i = 0; i < expected.size(); ++i) {
    const Alert& step = alert["steps"][i];
    EXPECT_EQ(step["name"], expected[i][0]);
    EXPECT_EQ(step["event"], expected[i][1]);
    EXPECT_EQ(step["process"]["name"], expected[i][2]);
    EXPECT_NE(step["process"]["pid"], 0u);
    const auto time = step["time"].get<std::string>();
    EXPECT_LT(last, time);
    last = time;
  }
  EXPECT_EQ(alert["first"], alert["steps"][0]["time"]);
  EXPECT_EQ(alert["time"], last);
}

TEST_F(PO1, OutOfOrderOrInAnotherSubtreeIsNone) {
  run(fmt::format("{}; {}; {}", kMake, kRun, kFetch));
  EXPECT_TRUE(found().empty());
  run(kMake);
  run(kFetch);
  run(kRun);
  EXPECT_TRUE(found().empty());
  run(fmt::format("{}; {}", kFetch, kRun));  // its mode was not changed since
  EXPECT_TRUE(found().empty());
}

}  // namespace
}  // namespace picket::test
