// AI1: a coding agent is known by its path, or under any other name by the variable that it gives
// to what it starts or by what stands in its script; its subtree is labelled, a person's shell
// beside it is not.
#include "tests/acceptance/agent_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;

class AI1 : public AgentTest {};

TEST_F(AI1, ItsSubtreeIsKnownByThePathOfItsProgram) {
  shell(
      "/project/bin/claude -c '/bin/sh -c \"/usr/bin/id of-the-agent; true\"; true'; /usr/bin/id "
      "of-the-person; true");
  EXPECT_THAT(told(), AllOf(Contains("test.of_agent: id of-the-agent"),
                            Contains("test.of_nobody: id of-the-person")));
}

TEST_F(AI1, UnderAnotherNameByTheVariableThatItGivesToItsCommands) {
  const auto agent = container_->launch(
      {"/tmp/innocent", "-c",
       "CLAUDECODE=1 cat /tmp/gate; env -i /bin/sh -c '/usr/bin/id of-the-agent; true'; "
       "true"});
  ASSERT_TRUE(agent.ok()) << agent.status();
  const auto first = deployment().alerts().wait_for("its command", [&](const Alert& alert) {
    return of(*container_, alert) && alert["rule"] == "test.of_agent" &&
           alert["output"] == "cat /tmp/gate";
  });
  ASSERT_TRUE(first.ok()) << first.status();
  shell("echo >/tmp/gate; /usr/bin/id of-the-person; true");
  ASSERT_EQ(container_->wait_for(*agent).value_or(-1), 0);
  EXPECT_THAT(told(), AllOf(Contains("test.of_agent: id of-the-agent"),
                            Contains("test.of_nobody: id of-the-person")));
}

// An image of its own: scripts in mounted folders are not looked at.
class AI1Script : public AcceptanceTest {};

TEST_F(AI1Script, UnderAnotherNameByWhatStandsInIt) {
  deploy({.rules = kAgentRules + rule("test.of_aider",
                                      "evt.type in (execve, execveat) and lineage.agent = aider")});
  if (HasFatalFailure()) return;
  const auto container = make_container({.image = "tools"});
  ASSERT_TRUE(container);
  const auto ran = container->run(
      {"sh", "-c",
       "printf 'import os\\ntry:\\n  from aider.main import main\\nexcept ImportError:\\n"
       "  os.system(\"env -i /bin/sh -c \\047/usr/bin/id of-the-agent; true\\047\")\\n' "
       ">/tmp/notes;"
       "printf 'import os\\nos.system(\"/usr/bin/id of-the-person; true\")\\n' >/tmp/own;"
       "python3 /tmp/notes; python3 /tmp/own; true"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  std::vector<std::string> lines;
  for (const Alert& alert : distinct(alerts_so_far(*container)))
    lines.push_back(alert["rule"].get<std::string>() + ": " + alert["output"].get<std::string>());
  EXPECT_THAT(lines, AllOf(Contains("test.of_aider: python3 /tmp/notes"),
                           Contains("test.of_aider: id of-the-agent"),
                           Contains("test.of_nobody: python3 /tmp/own"),
                           Contains("test.of_nobody: id of-the-person")));
}

}  // namespace
}  // namespace picket::test
