// EV3: a plain container of a runtime, without Kubernetes: identity falls back to its name, labels
// and cgroup, and the shipped rules apply.
#include "tests/acceptance/pod_test.h"

namespace picket::test {
namespace {

TEST_F(AcceptanceTest, PlainContainerIsKnownByNameLabelsAndCgroup) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "build-box", .annotations = {{"team", "compilers"}}});
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"listener", "4400", "1"})->exit_code, 0);
  ASSERT_EQ(container->run({"reverse_shell", "dup2", "4400"})->exit_code, 0);
  ASSERT_THAT(read_file(container->written("/tmp/received.4400")).value_or(""),
              ::testing::HasSubstr("picket-42-proof"));

  auto found = distinct(by_rule(alerts_so_far(*container), "reverse_shell"));
  ASSERT_EQ(found.size(), 1u);
  const Alert& alert = found[0];
  expect_identity(alert, *container);
  const Alert& workspace = alert["workspace"];
  EXPECT_EQ(workspace["id"], "build-box");
  EXPECT_EQ(workspace["name"], "build-box");
  EXPECT_EQ(workspace["image"], container->rootfs());
  EXPECT_EQ(workspace["image_source"], "rootfs");
  EXPECT_EQ(workspace["labels"]["team"], "compilers");
  EXPECT_EQ(workspace["runtime"], "runc");
  EXPECT_EQ(tree_of(alert).back(), container->init_pid());

  // The operator finds it under the same name.
  auto shown = deployment().picketctl({"workspace", "show", "build-box", "-o", "json"});
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->exit_code, 0) << shown->err;
  EXPECT_THAT(shown->out, ::testing::HasSubstr("build-box"));
}

TEST_F(PodTest, PlainContainerOfContainerdIsKnownByNameLabelsAndCgroup) {
  deploy_with_containerd();
  if (HasFatalFailure()) return;
  const std::string cgroup = plain_root() + "/build-box";
  const absl::Status run = containerd().run_plain(
      "build-box", cgroup, {{"team", "compilers"}, {"coder.owner", "ann"}},
      {"/bin/sh", "-c",
       "/opt/picket-test/listener 4400 1; /opt/picket-test/reverse_shell dup2 4400"});
  ASSERT_TRUE(run.ok()) << run;
  const auto alert = deployment().alerts().wait_for("the shell", [](const Alert& alert) {
    return alert["rule"] == "reverse_shell" && alert["workspace"]["id"] == "build-box";
  });
  ASSERT_TRUE(alert.ok()) << alert.status();
  const Alert& workspace = (*alert)["workspace"];
  EXPECT_EQ(workspace["name"], "build-box");
  EXPECT_EQ(workspace["container_id"], "build-box");
  EXPECT_EQ(workspace["cgroup"], cgroup);
  EXPECT_EQ(workspace["runtime"], "containerd");
  EXPECT_EQ(workspace["image"], Containerd::kImage);
  EXPECT_EQ(workspace["image_source"], "runtime");
  EXPECT_EQ(workspace["image_digest"], containerd().image_digest());
  EXPECT_EQ(workspace["labels"]["team"], "compilers");
  EXPECT_EQ(workspace["owner"], "ann");
  EXPECT_FALSE(workspace.contains("pod"));
  EXPECT_FALSE(workspace.contains("incomplete"));

  auto shown = deployment().picketctl({"workspace", "show", "build-box"});
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_THAT(shown->out, ::testing::AllOf(::testing::HasSubstr("team=compilers"),
                                           ::testing::HasSubstr(Containerd::kImage),
                                           ::testing::HasSubstr("ann")));
}

TEST_F(AcceptanceTest, ExecFromOutsideIsRecorded) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "build-box"});
  ASSERT_TRUE(container);
  auto outside = container->exec({"cat", "/etc/hostname"});
  ASSERT_TRUE(outside.ok()) << outside.status();
  auto found = distinct(by_rule(alerts_so_far(*container), "exec_in"));
  ASSERT_EQ(found.size(), 1u);
  expect_identity(found[0], *container);
  EXPECT_EQ(found[0]["priority"], "INFORMATIONAL");
  EXPECT_EQ(found[0]["process"]["cmdline"], "cat /etc/hostname");
}

}  // namespace
}  // namespace picket::test
