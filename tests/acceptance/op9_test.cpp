// OP9: the pod that deploy/ describes, started by containerd over CRI with every field of its
// manifest, guards the pods beside it. That the manifests render, have Kubernetes' types and need
// no privileged pod is asked by Deploy.* (tests/deploy).
#include <signal.h>

#include "tests/acceptance/agent_pod.h"

namespace picket::test {
namespace {

const std::string kRules =
    rule("test.first_exec", "evt.type in (execve, execveat) and proc.vpid = 1") +
    rule("test.exec", "evt.type in (execve, execveat)") +
    rule("test.of_agent", "evt.type in (execve, execveat) and lineage.agent = claude-code") +
    rule("test.kill", "evt.type in (execve, execveat) and proc.args endswith end-me",
         "  respond: kill\n");

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

class OP9 : public AgentPodTest {
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
    for (const auto& [key, value] : asked.labels)
      EXPECT_EQ(workspace["pod"]["labels"][key], value) << *alert;
    EXPECT_EQ(workspace["owner"], asked.labels.at("com.coder.user.username"));
    EXPECT_EQ(workspace["image"], Containerd::kImage);
    EXPECT_FALSE(workspace.contains("incomplete")) << *alert;
  }

  // Exactly what the manifest gives: six capabilities, no new ones, a root that it cannot write to,
  // the runtime's filter and its own.
  static void expect_least_privilege(pid_t picketd) {
    for (const char* set : {"CapEff", "CapPrm", "CapBnd"})
      EXPECT_EQ(status_line(picketd, set), "000000c000081024") << set;
    for (const char* set : {"CapInh", "CapAmb"})
      EXPECT_EQ(status_line(picketd, set), "0000000000000000") << set;
    EXPECT_EQ(status_line(picketd, "NoNewPrivs"), "1");
    EXPECT_EQ(status_line(picketd, "Seccomp"), "2");
    EXPECT_EQ(status_line(picketd, "Seccomp_filters"), "2");
    EXPECT_THAT(read_file(fmt::format("/proc/{}/mountinfo", picketd)).value_or(""),
                ::testing::ContainsRegex(" / / ro"));
  }

  // What an agent sees of a workspace of another user and does to it.
  struct Sight {
    bool agent_seen = false;  // by a variable of its environment
    bool killed = false;      // as a rule asks
  };

  Sight look(int number) {
    Sight sight;
    const auto pod = containerd().run_pod(
        PodOptions{.name = fmt::format("dev-{}", number),
                   .command = {"/bin/sh", "-c",
                               "CLAUDECODE=1 /bin/sleep 1000 & "
                               "until read name </proc/$!/comm && [ $name = sleep ]; do :; done; "
                               "/bin/sh -c '/bin/sleep 1000; true' end-me; /bin/sleep 0"},
                   .user = 1000});
    EXPECT_TRUE(pod.ok()) << pod.status();
    if (!pod.ok()) return sight;
    // Its last word: all that was told of it before is here. One that was not killed has failed.
    const auto end = deployment().alerts().wait_for("the end", [&](const Alert& alert) {
      if (alert["workspace"]["container_id"] != pod->container_id) return false;
      return alert["rule"] == "picket.response_failed" ||
             alert["process"]["cmdline"] == "/bin/sleep 0";
    });
    EXPECT_TRUE(end.ok()) << end.status();
    if (!end.ok()) return sight;
    sight.killed = (*end)["rule"] != "picket.response_failed";
    for (const Alert& alert : by_rule(deployment().alerts().seen(), "test.of_agent"))
      sight.agent_seen |= alert["workspace"]["container_id"] == pod->container_id;
    EXPECT_TRUE(containerd().remove(*pod).ok());
    return sight;
  }
};

TEST_F(OP9, ManifestsPodGuardsThePodsBesideIt) {
  set_up_node(kRules);
  if (HasFatalFailure()) return;
  const auto from = std::chrono::steady_clock::now();
  const absl::Status started = start_agent_pod();
  ASSERT_TRUE(started.ok()) << started;
  fmt::print(
      "from the manifest to a guarding pod: {} ms\n",
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - from)
          .count());
  expect_least_privilege(first_process(agent_pod()));

  for (const int number : {1, 2}) {
    const PodOptions asked = workspace(number);
    const auto pod = containerd().run_pod(asked);
    ASSERT_TRUE(pod.ok()) << pod.status();
    expect_first_exec(asked, *pod);
  }
  const Sight sight = look(1);
  EXPECT_TRUE(sight.agent_seen);
  EXPECT_TRUE(sight.killed);

  // A runtime that is restarted makes a new socket, which the pod sees as well.
  ASSERT_TRUE(containerd().stop_daemon().ok());
  ASSERT_TRUE(containerd().start_daemon().ok());
  const PodOptions later = workspace(3);
  const auto pod = containerd().run_pod(later);
  ASSERT_TRUE(pod.ok()) << pod.status();
  expect_first_exec(later, *pod);

  // A shipped rule, on a harmless proof.
  ASSERT_TRUE(containerd()
                  .exec(*pod, {"/bin/sh", "-c",
                               "busybox mkdir -p /tmp && busybox cp /bin/busybox /tmp/tool && "
                               "/tmp/tool true of-the-test"})
                  .ok());
  const auto drift = deployment().alerts().wait_for("the copied program", [&](const Alert& alert) {
    return alert["workspace"]["container_id"] == pod->container_id &&
           !alert["rule"].get<std::string>().starts_with("test.") &&
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
}

// Without one of them the agent says at its start what it lacks, or cannot stop other users'
// processes. With all of them it does everything: above.
TEST_F(OP9, WithoutACapabilityItSaysWhatItLacks) {
  struct Need {
    std::string capability;
    bool starts, sees_agent, kills;
  };
  const std::vector<Need> needs = {{"BPF", false, false, false},
                                   {"PERFMON", false, false, false},
                                   {"NET_ADMIN", false, false, false},
                                   {"KILL", true, true, false}};
  set_up_node(kRules);
  if (HasFatalFailure()) return;
  Manifest& add = container()["securityContext"]["capabilities"]["add"];
  const Manifest all = add;
  ASSERT_EQ(all.size(), needs.size() + 2);  // SYS_PTRACE and DAC_READ_SEARCH as well
  int number = 0;
  for (const Need& need : needs) {
    SCOPED_TRACE(need.capability);
    add = Manifest::array();
    for (const Manifest& one : all)
      if (one != need.capability) add.push_back(one);
    ASSERT_EQ(add.size() + 1, all.size());
    const absl::Status started = start_agent_pod();
    EXPECT_EQ(started.ok(), need.starts) << started;
    if (!need.starts) {
      EXPECT_THAT(std::string(started.message()),
                  ::testing::HasSubstr("the sensor needs CAP_" + need.capability));
    } else if (started.ok()) {
      const Sight sight = look(++number);
      EXPECT_EQ(sight.agent_seen, need.sees_agent);
      EXPECT_EQ(sight.killed, need.kills);
      // It ends within its grace, as asked.
      const auto ended = containerd().stop_container(
          agent_pod(),
          std::chrono::seconds(pod().spec["terminationGracePeriodSeconds"].get<int>()));
      ASSERT_TRUE(ended.ok()) << ended.status();
      EXPECT_EQ(*ended, 0);
    }
    const absl::Status removed = containerd().remove(agent_pod());
    ASSERT_TRUE(removed.ok()) << removed;
    pod().spec.erase("initContainers");  // what it put on the node stays there
  }
}

}  // namespace
}  // namespace picket::test
