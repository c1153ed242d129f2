// AI4: the label follows what the agent causes: a daemon that leaves it, and what it wrote and has
// a service run.
#include "tests/acceptance/agent_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;

class AI4 : public AgentTest {};

TEST_F(AI4, WhatItWroteIsItsOwnWhenAServiceRunsIt) {
  const auto service = container_->launch(
      {"sh", "-c", "read job </tmp/gate; $job; /usr/bin/id of-the-service; true"});
  ASSERT_TRUE(service.ok()) << service.status();
  shell(
      "/project/bin/claude -c 'printf \"#!/bin/sh\\n/usr/bin/id of-the-job\\ntrue\\n\" >/tmp/job; "
      "chmod +x /tmp/job; echo /tmp/job >/tmp/gate'");
  ASSERT_EQ(container_->wait_for(*service).value_or(-1), 0);
  EXPECT_THAT(told(), AllOf(Contains("test.of_agent: id of-the-job"),
                            Contains("test.of_nobody: id of-the-service")));
}

TEST_F(AI4, ADaemonThatLeftItIsStillItsOwn) {
  shell(
      "/project/bin/claude -c '/bin/setsid /bin/sh -c \"/bin/sh -c \\\"read end </tmp/gate; "
      "/usr/bin/id of-the-daemon; true\\\" &\" ; true'");
  shell("echo >/tmp/gate; true");
  const auto last = deployment().alerts().wait_for("the daemon", [&](const Alert& alert) {
    return of(*container_, alert) && alert["output"] == "id of-the-daemon";
  });
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ((*last)["rule"], "test.of_agent");
}

}  // namespace
}  // namespace picket::test
