// EV1: the very first exec of a new workspace already carries container id, name and image, and of
// a pod's container the pod, its namespace and labels, owner, template, repository and pull
// request.
#include <set>

#include "tests/acceptance/pod_test.h"

namespace picket::test {
namespace {

constexpr int kContainers = 200;
constexpr int kPods = 20;

const std::string kFirstExec =
    rule("test.first_exec", "evt.type in (execve, execveat) and proc.vpid = 1");

TEST_F(AcceptanceTest, FirstExecOfEveryNewWorkspaceCarriesItsIdentity) {
  deploy({.rules = kFirstExec, .shipped_rules = false});
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
  fmt::print("{} of {} first execs of containers carried their identity\n", own, kContainers);
}

void expect_no_null(const Alert& alert) {
  for (const auto& [key, value] : alert["workspace"].items()) {
    EXPECT_FALSE(value.is_null()) << key;
    if (value.is_string()) {
      EXPECT_NE(value, "") << key << " of " << alert;
    }
  }
  EXPECT_FALSE(alert["workspace"].contains("incomplete")) << alert;
}

PodOptions pod_of(int number) {
  return {.name = fmt::format("ws-{}", number),
          .ns = fmt::format("team-{}", number % 3),
          .command = {"/bin/echo", fmt::format("first-{}", number)},
          .labels = {{"com.coder.user.username", fmt::format("ann-{}", number)},
                     {"com.coder.template.name", "cpp"}},
          .annotations = {{"picket/pull-request", std::to_string(1000 + number)},
                          {"picket/repository", "git.example/compilers/front"}},
          .container_labels = {{"tier", "dev"}}};
}

void expect_pod(const Alert& alert, const PodOptions& asked, const RunningPod& pod) {
  const Alert& workspace = alert["workspace"];
  EXPECT_EQ(workspace["container_id"], pod.container_id) << alert;
  EXPECT_EQ(workspace["cgroup"], pod.cgroup);
  EXPECT_EQ(workspace["name"], asked.container);
  EXPECT_EQ(workspace["image"], Containerd::kImage);
  EXPECT_EQ(workspace["labels"]["tier"], "dev");
  ASSERT_TRUE(workspace.contains("pod")) << alert;
  EXPECT_EQ(workspace["pod"]["name"], asked.name);
  EXPECT_EQ(workspace["pod"]["namespace"], asked.ns);
  EXPECT_EQ(workspace["pod"]["uid"], pod.uid);
  for (const auto& [key, value] : asked.labels) EXPECT_EQ(workspace["pod"]["labels"][key], value);
  for (const auto& [key, value] : asked.annotations)
    EXPECT_EQ(workspace["pod"]["annotations"][key], value);
  EXPECT_EQ(workspace["owner"], asked.labels.at("com.coder.user.username"));
  EXPECT_EQ(workspace["template"], "cpp");
  EXPECT_EQ(workspace["repository"], "git.example/compilers/front");
  EXPECT_EQ(workspace["pull_request"], asked.annotations.at("picket/pull-request"));
  expect_no_null(alert);
}

TEST_F(PodTest, FirstExecOfEveryPodsContainerCarriesItsIdentity) {
  deploy_with_containerd({.rules = kFirstExec, .shipped_rules = false});
  if (HasFatalFailure()) return;
  int whole = 0;
  for (int i = 0; i < kPods; ++i) {
    const PodOptions asked = pod_of(i);
    const auto pod = containerd().run_pod(asked);
    ASSERT_TRUE(pod.ok()) << pod.status();
    const auto alert = alert_of("test.first_exec", fmt::format("/bin/echo first-{}", i));
    ASSERT_TRUE(alert.ok()) << alert.status();
    expect_pod(*alert, asked, *pod);
    EXPECT_EQ((*alert)["workspace"]["image_digest"], containerd().image_digest());
    if (HasFailure()) return;
    ++whole;
    const absl::Status removed = containerd().remove(*pod);
    ASSERT_TRUE(removed.ok()) << removed;
  }
  fmt::print("{} of {} first execs of pods' containers carried their identity\n", whole, kPods);
  EXPECT_TRUE(by_rule(deployment().alerts().seen(), "picket.identity_missing").empty());
}

TEST_F(PodTest, RulesAskForPodOwnerAndPullRequest) {
  deploy_with_containerd(
      {.rules = rule("test.of_pod",
                     "evt.type in (execve, execveat) and proc.vpid = 1 and k8s.pod.name = ws-1 and "
                     "k8s.ns.name = team-1 and k8s.pod.uid exists and "
                     "k8s.pod.label[com.coder.template.name] = cpp and k8s.pod.labels contains "
                     "\"com.coder.user.username:ann-1\" and workspace.owner = ann-1 and "
                     "workspace.template = cpp and workspace.pull_request = 1001 and "
                     "workspace.repository endswith /front and "
                     "container.image.digest startswith \"sha256:\""),
       .shipped_rules = false});
  if (HasFatalFailure()) return;
  for (const int i : {0, 1}) {
    const auto pod = containerd().run_pod(pod_of(i));
    ASSERT_TRUE(pod.ok()) << pod.status();
  }
  const auto alert = alert_of("test.of_pod", "/bin/echo first-1");
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_EQ(distinct(by_rule(deployment().alerts().seen(), "test.of_pod")).size(), 1u);
}

TEST_F(PodTest, IdentityComesFromTheRuntimesFilesWhileItsSocketIsDead) {
  deploy_with_containerd(
      {.rules = rule("test.exec", "evt.type in (execve, execveat)"), .shipped_rules = false});
  if (HasFatalFailure()) return;
  PodOptions asked = pod_of(7);
  asked.command = {"/bin/sleep", "1000"};
  const auto pod = containerd().run_pod(asked);
  ASSERT_TRUE(pod.ok()) << pod.status();
  ASSERT_TRUE(alert_of("test.exec", "/bin/sleep 1000").ok());
  const absl::Status agent_stopped = deployment().stop_agent();
  ASSERT_TRUE(agent_stopped.ok()) << agent_stopped;
  const absl::Status stopped = containerd().stop_daemon();
  ASSERT_TRUE(stopped.ok()) << stopped;
  const absl::Status agent_started = deployment().start_agent();
  ASSERT_TRUE(agent_started.ok()) << agent_started;

  // Who the pod is stands in the container's own configuration; that its labels are missing is
  // told.
  const auto missing = deployment().alerts().wait_for("what is missing", [&](const Alert& alert) {
    return alert["rule"] == "picket.identity_missing" &&
           alert["workspace"]["container_id"] == pod->container_id;
  });
  ASSERT_TRUE(missing.ok()) << missing.status();
  const Alert& workspace = (*missing)["workspace"];
  EXPECT_EQ(workspace["pod"]["name"], asked.name);
  EXPECT_EQ(workspace["pod"]["namespace"], asked.ns);
  EXPECT_EQ(workspace["pod"]["uid"], pod->uid);
  EXPECT_EQ(workspace["image"], Containerd::kImage);
  EXPECT_THAT(workspace["incomplete"].get<std::string>(), ::testing::HasSubstr("containerd.sock"));

  // The runtime is back: whoever starts from now on is wholly known again.
  const absl::Status back = containerd().start_daemon();
  ASSERT_TRUE(back.ok()) << back;
  ASSERT_TRUE(
      until([&] {  // it is asked again after a pause, and tells at the first that it answers
        const auto next = containerd().run_pod(pod_of(8));
        if (!next.ok()) return false;
        const auto alert = deployment().alerts().wait_for("the next pod", [&](const Alert& found) {
          return found["rule"] == "test.exec" &&
                 found["workspace"]["container_id"] == next->container_id;
        });
        return alert.ok() && (*alert)["workspace"]["owner"] == "ann-8";
      }));
}

}  // namespace
}  // namespace picket::test
