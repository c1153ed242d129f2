// What the tests of AI agents share: a container with a stand-in agent of a known path, and one of
// an unknown. The test's thread only.
#pragma once

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

inline const std::string kAgentRules =
    rule("test.of_agent", "evt.type in (execve, execveat) and lineage.agent = claude-code") +
    rule("test.of_nobody", "evt.type in (execve, execveat) and not lineage.agent exists");

class AgentTest : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kAgentRules});
    if (HasFatalFailure()) return;
    container_ = make_container({.binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    shell(
        "mkdir -p /project/bin && cp /usr/bin/bash /project/bin/claude && "
        "cp /usr/bin/bash /tmp/innocent && mkfifo /tmp/gate");
  }

  void shell(const std::string& script) {
    const auto ran = container_->run({"sh", "-c", script});
    ASSERT_TRUE(ran.ok()) << ran.status();
    ASSERT_EQ(ran->exit_code, 0) << ran->out;
  }

  // Each command line as "RULE: LINE".
  std::vector<std::string> told() {
    std::vector<std::string> lines;
    for (const Alert& alert : distinct(alerts_so_far(*container_)))
      lines.push_back(fmt::format("{}: {}", alert["rule"].get<std::string>(),
                                  alert["output"].get<std::string>()));
    return lines;
  }

  std::unique_ptr<Container> container_;
};

}  // namespace picket::test
