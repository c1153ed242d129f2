// DE23: a workspace that is less isolated than a container is by default is told once when it
// starts, with every word of its posture; also when the agent comes later. One that is as it should
// be is not told.
#include "tests/acceptance/pod_test.h"

namespace picket::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kRule = "workspace_posture";

class DE23 : public AcceptanceTest {
 protected:
  // As runtimes make one for a user who asks for nothing.
  static ContainerOptions ordinary() { return {.uid = 1000, .seccomp = "default"}; }

  // The words of each record of the container's start.
  std::vector<std::string> told(Container& container) {
    std::vector<std::string> all;
    for (const Alert& alert : distinct(by_rule(alerts_so_far(container), kRule))) {
      expect_identity(alert, container);
      EXPECT_EQ(alert["priority"], "INFORMATIONAL");
      EXPECT_EQ(alert["event"], "workspace_started");
      EXPECT_EQ(alert["fields"]["event.found"], found_) << alert;
      all.push_back(alert["fields"]["workspace.posture"].get<std::string>());
    }
    return all;
  }
  std::string found_ = "false";
  std::vector<std::string> told_of(ContainerOptions options) {
    auto container = make_container(std::move(options));
    if (!container) return {};
    return told(*container);
  }
};

TEST_F(DE23, EachWeaknessIsToldAtTheStart) {
  deploy();
  if (HasFatalFailure()) return;
  ContainerOptions root = ordinary(), open = ordinary(), pids = ordinary(), network = ordinary(),
                   mount = ordinary(), privileged = ordinary();
  root.uid = 0;
  open.seccomp.clear();
  pids.host_pids = true;
  network.host_network = true;
  mount.binds = {"/usr"};
  privileged.privileged = true;
  EXPECT_THAT(told_of(root), ElementsAre("root_user"));
  EXPECT_THAT(told_of(open), ElementsAre("no_seccomp"));
  EXPECT_THAT(told_of(pids), ElementsAre("host_pid"));
  EXPECT_THAT(told_of(network), ElementsAre("host_network"));
  EXPECT_THAT(told_of(mount), ElementsAre("host_mount"));
  EXPECT_THAT(told_of(privileged), ElementsAre(::testing::AllOf(HasSubstr("privileged"),
                                                                HasSubstr("added_capabilities"))));
}

TEST_F(DE23, AnOrdinaryWorkspaceIsNotTold) {
  deploy();
  if (HasFatalFailure()) return;
  EXPECT_THAT(told_of(ordinary()), ElementsAre());
}

TEST_F(DE23, WhatRanBeforeTheAgentIsToldToo) {
  auto started = Deployment::with_collector(sandbox(), {.rules = kMarkRule});
  ASSERT_TRUE(started.ok()) << started.status();
  deployment_ = *std::move(started);
  ContainerOptions mounted = ordinary();
  mounted.binds = {"/usr"};
  auto container = make_container(mounted), fine = make_container(ordinary());
  ASSERT_TRUE(container && fine);
  found_ = "true";
  ASSERT_TRUE(deployment().start_agent().ok());
  EXPECT_THAT(told(*container), ElementsAre("host_mount"));
  EXPECT_THAT(told(*fine), ElementsAre());
}

TEST_F(PodTest, APrivilegedPodIsToldAndAnOrdinaryOneOnlyAsFarAsItIsOpen) {
  deploy_with_containerd();
  if (HasFatalFailure()) return;
  const auto posture_of = [&](PodOptions options) -> std::string {
    const auto pod = containerd().run_pod(options);
    EXPECT_TRUE(pod.ok()) << pod.status();
    if (!pod.ok()) return "";
    const auto alert = deployment().alerts().wait_for(options.name, [&](const Alert& alert) {
      return alert["rule"] == kRule && alert["workspace"]["container_id"] == pod->container_id;
    });
    EXPECT_TRUE(alert.ok()) << alert.status();
    if (!alert.ok()) return "";
    EXPECT_EQ((*alert)["workspace"]["pod"]["name"], options.name);
    EXPECT_EQ((*alert)["fields"]["event.found"], "false");
    return (*alert)["fields"]["workspace.posture"];
  };
  EXPECT_THAT(posture_of({.name = "privileged", .privileged = true}), HasSubstr("privileged"));
  EXPECT_THAT(posture_of({.name = "ordinary"}),
              ::testing::AllOf(HasSubstr("root_user"), ::testing::Not(HasSubstr("privileged")),
                               ::testing::Not(HasSubstr("host_mount")),
                               ::testing::Not(HasSubstr("host_network"))));
}

}  // namespace
}  // namespace picket::test
