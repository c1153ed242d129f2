// OP5: healthy is an agent whose canary came back with its full identity. Who blinds it finds the
// probe failing, and the collector told by the agent itself.
#include <signal.h>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/http.h"
#include "tests/support/intruder.h"

namespace picket::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class OP5 : public AcceptanceTest {
 protected:
  int ready() {
    const auto answer = http_get(deployment().agent_http(), "/readyz");
    return answer.ok() ? answer->code : 0;
  }
  // The only row that the command prints.
  json row(const std::vector<std::string>& command) {
    auto arguments = command;
    arguments.insert(arguments.end(), {"-o", "json"});
    const auto said = deployment().picketctl(arguments);
    if (!said.ok() || said->exit_code != 0 || said->out.empty()) return json::object();
    return json::parse(said->out.substr(0, said->out.find('\n')));
  }
  bool node_is(const std::string& sight) {
    return until([&] { return row({"nodes"}).value("sight", "") == sight; });
  }
  absl::StatusOr<Alert> told(const std::string& words) {
    return deployment().alerts().wait_for(words, [&](const Alert& alert) {
      return alert["rule"] == "picket.self_check" &&
             alert["output"].get<std::string>().find(words) != std::string::npos;
    });
  }
};

TEST_F(OP5, WithoutItsExecProgramTheAgentIsNotReadyAndSaysSo) {
  deploy({.rules = rule("test.any", "evt.type in (execve, execveat)"), .shipped_rules = false});
  if (HasFatalFailure()) return;
  EXPECT_EQ(ready(), 200);
  EXPECT_EQ(metric(deployment().agent_http(), "picket_agent_sees").value_or(-1), 1);
  EXPECT_TRUE(node_is("sees"));
  EXPECT_EQ(row({"status"})["nodes_blind"], 0);

  const absl::Status detached = detach_program(deployment().agent_pid(), "on_exec");
  ASSERT_TRUE(detached.ok()) << detached;
  EXPECT_TRUE(until([&] { return ready() == 503; })) << "still ready";
  const auto why = http_get(deployment().agent_http(), "/readyz");
  ASSERT_TRUE(why.ok());
  EXPECT_THAT(why->body, HasSubstr("blind: the start of a process"));
  const auto live = http_get(deployment().agent_http(), "/livez");
  EXPECT_EQ(live.ok() ? live->code : 0, 200);

  const auto alert = told("the agent of this node is blind");
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_EQ((*alert)["node"], "spiffe://picket/node/node-a");
  EXPECT_EQ((*alert)["priority"], "CRITICAL");
  EXPECT_LT((*alert)["first"], (*alert)["last"]);
  EXPECT_TRUE(node_is("blind"));
  EXPECT_EQ(row({"status"})["nodes_blind"], 1);
  EXPECT_THAT(deployment().picketctl({"nodes"})->out, HasSubstr("BLIND since "));
  EXPECT_THAT(deployment().picketctl({"status"})->out, HasSubstr("BLIND"));

  // Another agent in its place sees, and says it.
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  EXPECT_TRUE(node_is("sees"));
  // Nobody hears of canaries while they come back.
  EXPECT_EQ(row({"workspaces"}), json::object());
  auto container = make_container();
  ASSERT_TRUE(container);
  (void)alerts_so_far(*container);
  for (const Alert& seen : deployment().alerts().seen()) {
    EXPECT_THAT(seen["workspace"].value("cgroup", ""), ::testing::Not(HasSubstr("canary")));
    EXPECT_THAT(seen["process"].value("cmdline", ""), ::testing::Not(HasSubstr("picket-canary")));
  }
}

TEST_F(OP5, AnAgentThatWasStoppedTellsItWhenItGoesOn) {
  deploy({.shipped_rules = false});
  if (HasFatalFailure()) return;
  deployment().agent().signal(SIGSTOP);
  EXPECT_TRUE(until([&] { return ready() == 0; })) << "it answers although it is stopped";
  // With the time that the probe has waited, longer than until the next canary would be back.
  EXPECT_TRUE(deployment().agent().running_after(std::chrono::seconds(5)));
  deployment().agent().signal(SIGCONT);
  const auto alert = told("did not run for");
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_TRUE(until([&] {
    const json now = row({"alerts", "list", "--rule", "picket.self_check"});
    return now.value("id", "") == (*alert)["id"] && now["count"] == 2 &&
           now["output"].get<std::string>().starts_with(
               "the agent of this node was blind, and sees again: ");
  })) << "the alert has no end";
  EXPECT_TRUE(until([&] { return ready() == 200; }));
  EXPECT_TRUE(node_is("sees"));
}

}  // namespace
}  // namespace picket::test
