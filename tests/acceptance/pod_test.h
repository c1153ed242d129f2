// What the acceptance tests with pods share: a containerd, and an agent that knows its socket.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/containerd.h"

namespace picket::test {

class PodTest : public AcceptanceTest {
 protected:
  std::string missing() const override {
    for (const char* program : {"containerd", "ctr", "jq", "ip", "unshare"})
      if (!is_installed(program)) return fmt::format("{} is not installed", program);
    return AcceptanceTest::missing();
  }

  void deploy_with_containerd(DeploymentOptions options = {}) {
    auto started = Containerd::start(sandbox());
    ASSERT_TRUE(started.ok()) << started.status();
    containerd_ = *std::move(started);
    std::filesystem::create_directory(sandbox().cgroup_folder() + "/plain");
    // Pods lie below the sandbox as well, each at its own depth: they are known by their names.
    options.cgroup_root = plain_root();
    options.workspaces = fmt::format("containerd_roots: ['{}']{}{}", containerd().task_root(),
                                     options.workspaces.empty() ? "" : ", ", options.workspaces);
    options.agent_settings +=
        fmt::format("identity: {{cri_socket: '{}'}}\n", containerd().socket());
    deploy(std::move(options));
  }

  std::string plain_root() { return sandbox().cgroup() + "/plain"; }
  Containerd& containerd() { return *containerd_; }

  absl::StatusOr<Alert> alert_of(const std::string& rule, const std::string& cmdline) {
    return deployment().alerts().wait_for(rule + " of " + cmdline, [&](const Alert& alert) {
      return alert["rule"] == rule && alert["process"]["cmdline"] == cmdline;
    });
  }

  std::unique_ptr<Containerd> containerd_;
};

}  // namespace picket::test
