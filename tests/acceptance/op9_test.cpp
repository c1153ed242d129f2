// OP9: the pod that deploy/ describes, started by containerd over CRI with every field of its
// manifest, guards the pods beside it. That the manifests render, have Kubernetes' types and need
// no privileged pod is asked by Deploy.* (tests/deploy).
#include <signal.h>

#include "tests/acceptance/agent_pod.h"

namespace picket::test {
namespace {

const std::string kRules =
    rule("test.first_exec", "evt.type in (execve, execveat) and proc.vpid = 1") +
    rule("test.exec", "evt.type in (execve, execveat)");

PodOptions workspace(int number) {
  return {.name = fmt::format("ws-{}", number),
          .ns = "team-a",
          .command = {"/bin/sleep", fmt::format("10000{}", number)},
          .labels = {{"com.coder.user.username", fmt::format("ann-{}", number)}}};
}

std::string status_line(pid_t pid, const std::string& key) {
  const std::string text = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
  const size_t at = text.find("\n" + key + ":\t");
  if (at == text.npos) return "";
  const size_t from = at + key.size() + 3;
  return text.substr(from, text.find('\n', from) - from);
}

class Op9 : public AgentPodTest {
 protected:
  void expect_first_exec(const PodOptions& asked, const RunningPod& started) {
    const auto alert =
        alert_of("test.first_exec", fmt::format("/bin/sleep {}", asked.command.back()));
    ASSERT_TRUE(alert.ok()) << alert.status();
    const Alert& workspace = (*alert)["workspace"];
    EXPECT_EQ(workspace["container_id"], started.container_id) << *alert;
    EXPECT_EQ(workspace["pod"]["name"], asked.name);
    EXPECT_EQ(workspace["pod"]["namespace"], asked.ns);
    EXPECT_EQ(workspace["pod"]["uid"], started.uid);
    EXPECT_EQ(workspace["pod"]["labels"], Alert(asked.labels)) << *alert;
    EXPECT_EQ(workspace["owner"], asked.labels.at("com.coder.user.username"));
    EXPECT_EQ(workspace["image"], Containerd::kImage);
    EXPECT_FALSE(workspace.contains("incomplete")) << *alert;
  }
};

TEST_F(Op9, ManifestsPodGuardsThePodsBesideIt) {
  set_up_node(kRules);
  if (HasFatalFailure()) return;
  const auto from = std::chrono::steady_clock::now();
  const absl::Status started = start_agent_pod();
  ASSERT_TRUE(started.ok()) << started;
  fmt::print(
      "from the manifest to ready: {} ms\n",
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - from)
          .count());

  // Exactly what the manifest gives: six capabilities, no new ones, a filter.
  const pid_t picketd = first_process(agent_pod());
  EXPECT_EQ(status_line(picketd, "CapEff"), "000000c000081024");
  EXPECT_EQ(status_line(picketd, "CapPrm"), "000000c000081024");
  EXPECT_EQ(status_line(picketd, "CapBnd"), "000000c000081024");
  EXPECT_EQ(status_line(picketd, "NoNewPrivs"), "1");
  EXPECT_EQ(status_line(picketd, "Seccomp"), "2");

  for (const int number : {1, 2}) {
    const PodOptions asked = workspace(number);
    const auto pod = containerd().run_pod(asked);
    ASSERT_TRUE(pod.ok()) << pod.status();
    expect_first_exec(asked, *pod);
  }

  // A runtime that is restarted makes a new socket, which the pod sees as well.
  ASSERT_TRUE(containerd().stop_daemon().ok());
  ASSERT_TRUE(containerd().start_daemon().ok());
  const PodOptions later = workspace(3);
  const auto pod = containerd().run_pod(later);
  ASSERT_TRUE(pod.ok()) << pod.status();
  expect_first_exec(later, *pod);

  // A shipped rule, on a harmless proof: the file is opened for writing and left as it is.
  ASSERT_TRUE(containerd()
                  .exec(*pod, {"/bin/sh", "-c",
                               ": >>/tmp/id_rsa; cp /bin/busybox /tmp/tool && "
                               "/tmp/tool true of-the-test"})
                  .ok());
  const auto drift = deployment().alerts().wait_for("the copied program", [&](const Alert& alert) {
    return alert["workspace"]["container_id"] == pod->container_id &&
           alert["process"]["exe"] == "/tmp/tool";
  });
  ASSERT_TRUE(drift.ok()) << drift.status();

  // On command, one workspace ends and the others live.
  const auto killed =
      deployment().picketctl({"workspace", "kill", pod->container_id, "--reason", "of the test"});
  ASSERT_TRUE(killed.ok()) << killed.status();
  EXPECT_EQ(killed->exit_code, 0) << killed->out << killed->err;
  const auto code = containerd().wait_for_end(*pod);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, 128 + SIGKILL);

  // It ends within its grace, as asked.
  const auto ended = containerd().stop_container(
      agent_pod(),
      std::chrono::seconds(this->pod().spec["terminationGracePeriodSeconds"].get<int>()));
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, 0);
}

}  // namespace
}  // namespace picket::test
