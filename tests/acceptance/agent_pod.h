// What the tests of the agent's own pod share: the manifest of deploy/daemonset, started as a
// kubelet would, on a node whose containerd, folders and collector are the test's.
#pragma once

#include <filesystem>

#include "tests/acceptance/pod_test.h"
#include "tests/support/http.h"
#include "tests/support/kubelet.h"

namespace picket::test {

class AgentPodTest : public PodTest {
 protected:
  // A collector, a containerd with the agent's image; the agent is the test's to start.
  void set_up_node(const std::string& rules) {
    auto deployment = Deployment::with_collector(sandbox());
    ASSERT_TRUE(deployment.ok()) << deployment.status();
    deployment_ = *std::move(deployment);
    auto started = Containerd::start(sandbox(), Containerd::Network::machine);
    ASSERT_TRUE(started.ok()) << started.status();
    containerd_ = *std::move(started);
    ASSERT_NO_FATAL_FAILURE(make_image(rules));
    auto port = free_port();
    ASSERT_TRUE(port.ok()) << port.status();
    http_ = *port;
    auto text = read_file(PICKET_SOURCE_DIR "/deploy/daemonset/agent/agent.yaml");
    ASSERT_TRUE(text.ok()) << text.status();
    auto manifests = read_manifests(*text);
    ASSERT_TRUE(manifests.ok()) << manifests.status();
    ASSERT_NO_FATAL_FAILURE(make_folders(*manifests));
    const Manifest* agent = find_manifest(*manifests, "DaemonSet", "picket-agent");
    ASSERT_NE(agent, nullptr);
    pod_.name = "picket-agent-x2x4x";
    pod_.ns = (*agent)["metadata"]["namespace"];
    pod_.spec = (*agent)["spec"]["template"]["spec"];
    for (const auto& [key, value] : (*agent)["spec"]["template"]["metadata"]["labels"].items())
      pod_.labels[key] = value;
    pod_.images[pod_.spec["containers"][0]["image"]] = kAgentImage;
  }

  Manifest& container() { return pod_.spec["containers"][0]; }
  SpecifiedPod& pod() { return pod_; }

  // As its startup probe says; what it said instead when it ended.
  absl::Status start_agent_pod() {
    auto running = containerd().run_pod(pod_);
    if (!running.ok()) return running.status();
    agent_ = *running;
    bool ready = false;
    until([&] {
      auto answer = http_get(http_, container()["startupProbe"]["httpGet"]["path"]);
      ready = answer.ok() && answer->code == 200;
      return ready || first_process(agent_) == 0;
    });
    if (ready) return absl::OkStatus();
    (void)containerd().stop_container(agent_, std::chrono::seconds(1));  // its log is whole then
    return absl::UnavailableError(
        fmt::format("the agent's pod is not ready: {}",
                    read_file(sandbox().path("logs/picketd.log")).value_or("(no log)")));
  }

  // 0: none is left.
  pid_t first_process(const RunningPod& pod) {
    const std::string below = pod.cgroup.substr(sandbox().cgroup().size());
    return atoi(
        read_file(sandbox().cgroup_folder() + below + "/cgroup.procs").value_or("0").c_str());
  }

  const RunningPod& agent_pod() const { return agent_; }

 private:
  static constexpr char kAgentImage[] = "picket.test/picketd:1";

  void make_image(const std::string& rules) {
    const std::string image = sandbox().path("agent-image");
    const auto program = output_of({PICKET_SOURCE_DIR "/tests/support/containerd/program", image,
                                    PICKET_BINARY_DIR "/picketd", pod_command()});
    ASSERT_TRUE(program.ok()) << program.status();
    std::filesystem::create_directories(image + "/usr/share/picket");
    std::filesystem::copy(PICKET_SOURCE_DIR "/rules", image + "/usr/share/picket/rules",
                          std::filesystem::copy_options::recursive);
    ASSERT_TRUE(write_file(image + "/usr/share/picket/rules/of_the_test.yaml", rules).ok());
    const absl::Status imported = containerd().import_image(kAgentImage, {image});
    ASSERT_TRUE(imported.ok()) << imported;
  }

  static std::string pod_command() { return "/usr/sbin/picketd"; }

  // The node's folders; of its configuration only what names the node's own addresses is changed.
  void make_folders(const std::vector<Manifest>& manifests) {
    for (const char* folder : {"state", "pki-node", "config", "logs", "kubelet/seccomp/picket"})
      std::filesystem::create_directories(sandbox().path(folder));
    for (const auto& [from, to] :
         {std::pair("ca.crt", "ca.crt"), std::pair("node-a.crt", "node.crt"),
          std::pair("node-a.key", "node.key")})
      std::filesystem::copy(deployment().pki_file(from), sandbox().path("pki-node") + "/" + to);
    pod_.folders = {{"/etc/picket/pki", sandbox().path("pki-node")},
                    {"/var/lib/picket", sandbox().path("state")},
                    {"/sys/fs/cgroup", "/sys/fs/cgroup"},
                    {"/sys/kernel/tracing", "/sys/kernel/tracing"},
                    {"/run/containerd", containerd().state()},
                    {"/var/lib/kubelet/seccomp/picket", sandbox().path("kubelet/seccomp/picket")}};
    pod_.logs = sandbox().path("logs");
    pod_.seccomp_root = sandbox().path("kubelet/seccomp");
    const Manifest* map = find_manifest(manifests, "ConfigMap", "picket-agent");
    ASSERT_NE(map, nullptr);
    std::string text = (*map)["data"]["picketd.yaml"];
    const auto replace = [&](std::string_view from, const std::string& to) {
      const size_t at = text.find(from);
      ASSERT_NE(at, text.npos) << from;
      text.replace(at, from.size(), to);
    };
    replace("picket-collector.picket.svc:7420",
            fmt::format("127.0.0.1:{}", deployment().collector_port()));
    replace("0.0.0.0:9470", fmt::format("127.0.0.1:{}", http_));
    ASSERT_TRUE(write_file(sandbox().path("config/picketd.yaml"), text).ok());
    pod_.config_maps = {{"picket-agent", sandbox().path("config")}};
  }

  SpecifiedPod pod_;
  RunningPod agent_;
  uint16_t http_ = 0;
};

}  // namespace picket::test
