// EV1, without Kubernetes: the very first exec of a new workspace already carries container id,
// name and image.
#include <set>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr int kContainers = 200;

TEST_F(AcceptanceTest, FirstExecOfEveryNewWorkspaceCarriesItsIdentity) {
  deploy({.rules = rule("test.first_exec", "evt.type in (execve, execveat) and proc.vpid = 1"),
          .shipped_rules = false});
  if (HasFatalFailure()) return;

  std::set<std::string> ids;
  for (int i = 0; i < kContainers; ++i) {
    // The shortest life that a container can have; half of them as a runtime with images starts
    // them.
    ContainerOptions options{.command = {"/bin/true", fmt::format("first-{}", i)}};
    if (i % 2)
      options.annotations = {{"io.kubernetes.cri.container-name", fmt::format("box-{}", i)},
                             {"io.kubernetes.cri.image-name", fmt::format("test/image:{}", i)}};
    auto container = make_container(std::move(options));
    ASSERT_TRUE(container);
    ASSERT_TRUE(container->wait_for_end().ok());
    ids.insert(container->id());

    auto alert = deployment().alerts().wait_for("the first exec", [&](const Alert& alert) {
      return alert["rule"] == "test.first_exec" &&
             alert["process"]["cmdline"] == fmt::format("/bin/true first-{}", i);
    });
    ASSERT_TRUE(alert.ok()) << alert.status();
    expect_identity(*alert, *container);
    const Alert& workspace = (*alert)["workspace"];
    if (i % 2) {
      EXPECT_EQ(workspace["name"], fmt::format("box-{}", i));
      EXPECT_EQ(workspace["image"], fmt::format("test/image:{}", i));
      EXPECT_EQ(workspace["image_source"], "annotation");
    } else {
      EXPECT_EQ(workspace["name"], container->id());
      EXPECT_EQ(workspace["image"], container->rootfs());
      EXPECT_EQ(workspace["image_source"], "rootfs");
    }
    if (HasFailure()) return;  // 199 more would say the same
  }

  // One exec, one alert: nothing was taken for the first exec of another workspace.
  auto first_execs = distinct(by_rule(deployment().alerts().seen(), "test.first_exec"));
  int own = 0;
  for (const Alert& alert : first_execs)
    own += static_cast<int>(ids.contains(alert["workspace"]["container_id"]));
  EXPECT_EQ(own, kContainers);
}

}  // namespace
}  // namespace picket::test
