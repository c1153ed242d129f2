// EV2: a worker that was forked and never exec'd connects: identity and the whole tree to PID 1 of
// the workspace.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

TEST_F(AcceptanceTest, WorkerWithoutExecHasIdentityAndTree) {
  ContainerOptions options{.id = "ev2-workers"};
  deploy({.rules = rule("test.connect",
                        "evt.type = connect and fd.rport = 4400 and workspace.id = ev2-workers"),
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container(options);
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"listener", "4400", "1"})->exit_code, 0);

  auto workers = container->launch({"processes", "workers", "100", "4400"});
  ASSERT_TRUE(workers.ok()) << workers.status();
  auto alert = deployment().alerts().wait_for("the connection", [&](const Alert& alert) {
    return alert["rule"] == "test.connect" && of(*container, alert);
  });
  ASSERT_TRUE(alert.ok()) << alert.status();
  expect_identity(*alert, *container);
  EXPECT_THAT(tree_of(*alert), ::testing::ElementsAre(::testing::Ne(workers->pid), workers->pid,
                                                      container->init_pid()));
  // The worker is what its parent exec'd: it never became anything else.
  for (const Alert& one : {(*alert)["process"], (*alert)["lineage"][0]}) {
    EXPECT_EQ(one["cmdline"], "processes workers 100 4400");
    EXPECT_EQ(one["exe"], "/opt/picket-test/processes");
  }
  EXPECT_EQ((*alert)["lineage"][1]["exe"], "/opt/picket-test/workspace_init");
  EXPECT_EQ(container->wait_for(*workers).value_or(-1), 0);
  EXPECT_EQ(distinct(by_rule(alerts_so_far(*container), "test.connect")).size(), 1u);
}

}  // namespace
}  // namespace picket::test
