// AI5: an agent that is started so that nobody approves what it does is alerted; one that asks is
// not.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

class AI5 : public AcceptanceTest {};

TEST_F(AI5, AnAgentWithoutApprovalIsAlerted) {
  deploy();
  ASSERT_FALSE(HasFatalFailure());
  auto container = make_container({.id = "ai5-box", .binds = {"/usr", "/lib", "/lib64"}});
  ASSERT_TRUE(container);
  const auto ran =
      container->run({"sh", "-c",
                      "mkdir -p /project/bin && cp /usr/bin/bash /project/bin/codex && "
                      "/project/bin/codex -c true --ask-for-approval untrusted && "
                      "/project/bin/codex -c true --dangerously-bypass-approvals-and-sandbox"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  const auto found = distinct(by_rule(alerts_so_far(*container), "agent_without_approval"));
  ASSERT_EQ(found.size(), 1u) << Alert(found).dump(1);
  EXPECT_EQ(found[0]["process"]["agent"], "codex");
  EXPECT_THAT(found[0]["process"]["cmdline"].get<std::string>(),
              ::testing::HasSubstr("--dangerously-bypass-approvals-and-sandbox"));
  expect_identity(found[0], *container);
}

}  // namespace
}  // namespace picket::test
