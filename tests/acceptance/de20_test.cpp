// DE20: who goes into a pod through Kubernetes' API is told with the API's user and the process
// that came of it, and what that process started; attach and port-forward as well. What somebody
// else put in, or started inside under the same command, is not taken for it.
#include <cctype>
#include <fstream>
#include <thread>

#include "common/clock.h"
#include "tests/acceptance/pod_test.h"

namespace picket::test {
namespace {

using ::testing::HasSubstr;

const std::string kChildRule =
    rule("test.child", "evt.type in (execve, execveat) and proc.args = 1000");

std::string encoded(const std::string& text) {
  std::string coded;
  for (const char c : text)
    coded +=
        std::isalnum(static_cast<unsigned char>(c)) ? std::string(1, c) : fmt::format("%{:02X}", c);
  return coded;
}

// The API server's part: this test writes its log as the API server does.
class DE20 : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // Every child of the sandbox's cgroup is a workspace, the node's own would be one.
    deploy_with_containerd({.rules = kChildRule,
                            .workspaces = fmt::format("exclude: ['{}/node']", sandbox().cgroup()),
                            .agent_settings = "kubernetes_audit: audit.log\n"});
    if (HasFatalFailure()) return;
    auto pod = containerd().run_pod({.name = "ws-1", .ns = "dev"});
    ASSERT_TRUE(pod.ok()) << pod.status();
    pod_ = *pod;
  }
  // `query`: container and command, as the address of a request has them.
  void record(const std::string& id, const std::string& subresource, const std::string& query) {
    nlohmann::json event = {
        {"kind", "Event"},
        {"apiVersion", "audit.k8s.io/v1"},
        {"stage", "ResponseStarted"},
        {"auditID", id},
        {"requestURI", "/api/v1/namespaces/dev/pods/ws-1/" + subresource + "?" + query},
        {"user", {{"username", "ann@example.org"}, {"groups", {"developers"}}}},
        {"sourceIPs", {"198.51.100.7"}},
        {"userAgent", "kubectl"},
        {"objectRef",
         {{"resource", "pods"},
          {"namespace", "dev"},
          {"name", "ws-1"},
          {"subresource", subresource}}},
        {"responseStatus", {{"code", 101}}},
        {"requestReceivedTimestamp", rfc3339(SystemClock().wall_ns()).text}};
    std::ofstream(sandbox().path("audit.log"), std::ios::app) << event.dump() << '\n';
  }
  Alert told(const std::string& rule, const std::string& id) {
    auto alert = deployment().alerts().wait_for(rule + " " + id, [&](const Alert& alert) {
      return alert["rule"] == rule && alert["fields"]["api.audit_id"] == id;
    });
    EXPECT_TRUE(alert.ok()) << alert.status();
    return alert.ok() ? *alert : Alert();
  }
  RunningPod pod_;
};

TEST_F(DE20, AnExecIsJoinedWithItsUserAndItsProcesses) {
  const std::string script = "mkfifo /tmp/go; /bin/sleep 1000 >/dev/null 2>&1 & read x </tmp/go";
  std::thread exec([&] {
    const auto ended = containerd().exec(pod_, {"/bin/sh", "-c", script});
    EXPECT_TRUE(ended.ok()) << ended.status();
  });
  const auto child = alert_of("test.child", "/bin/sleep 1000");
  EXPECT_TRUE(child.ok()) << child.status();
  record("id-1", "exec",
         "container=workspace&command=%2Fbin%2Fsh&command=-c&command=" + encoded(script));
  const Alert alert = told("picket.api_exec", "id-1");
  EXPECT_TRUE(containerd().exec(pod_, {"/bin/sh", "-c", "echo >/tmp/go"}).ok());
  exec.join();
  if (HasFailure()) return;
  EXPECT_EQ(alert["fields"]["api.user"], "ann@example.org");
  EXPECT_EQ(alert["fields"]["api.groups"], "developers");
  EXPECT_EQ(alert["fields"]["api.source"], "198.51.100.7");
  // The process of the request is what the later alert's lineage ends at.
  const Alert& above = (*child)["lineage"].back();
  EXPECT_EQ(alert["process"]["pid"], above["pid"]);
  EXPECT_EQ(alert["process"]["start_ns"], above["start_ns"]);
  EXPECT_EQ(alert["process"]["cmdline"], "/bin/sh -c " + script);
  EXPECT_EQ(alert["workspace"]["container_id"], pod_.container_id);
  EXPECT_EQ(alert["workspace"]["pod"]["name"], "ws-1");
  EXPECT_THAT(alert["fields"]["process.tree"].get<std::string>(), HasSubstr("/bin/sleep 1000"));
}

TEST_F(DE20, WhatTheApiDidNotAskForIsNobodys) {
  // By the runtime's own interface, of which the API knows nothing; and another command by the API.
  ASSERT_TRUE(containerd().exec(pod_, {"/bin/true", "of-the-runtime"}).ok());
  record("id-2", "exec", "container=workspace&command=%2Fbin%2Ftrue&command=of-the-api");
  const Alert alert = told("picket.api_exec", "id-2");
  EXPECT_EQ(alert["process"]["pid"], 0u) << alert;
  EXPECT_THAT(alert["output"].get<std::string>(), HasSubstr("no such process was seen"));
  EXPECT_EQ(alert["workspace"]["container_id"], pod_.container_id);
}

TEST_F(DE20, AttachAndPortForwardAreToldOfTheWorkspace) {
  record("id-3", "attach", "container=workspace&stdin=true");
  record("id-4", "portforward", "");
  for (const auto& [rule, id] :
       {std::pair("picket.api_attach", "id-3"), std::pair("picket.api_port_forward", "id-4")}) {
    const Alert alert = told(rule, id);
    EXPECT_EQ(alert["fields"]["api.user"], "ann@example.org");
    EXPECT_EQ(alert["workspace"]["container_id"], pod_.container_id);
    EXPECT_THAT(alert["process"]["cmdline"].get<std::string>(), HasSubstr("/bin/sleep 1000000"));
  }
}

}  // namespace
}  // namespace picket::test
