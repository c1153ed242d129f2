// deploy/: the chart renders with every choice, to what Kubernetes has types for, with the least
// privilege that docs/install.md promises, and the static manifests say the same.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "tests/support/manifests.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kDeploy = PICKET_SOURCE_DIR "/deploy";
const std::string kChart = kDeploy + "/helm/picket";
constexpr std::chrono::minutes kInstall{9};

constexpr const char* kEgress =
    R"(collector.egress=[{"to":[{"ipBlock":{"cidr":"192.0.2.7/32"}}],"ports":[{"port":6514}]}])";

// What somebody may choose, one render each.
const std::vector<Words>& choices() {
  static const std::vector<Words> kChoices{
      {},
      {"--set", "namespace.create=true"},
      {"--set", "runtime=crio"},
      {"--set", "runtime=k3s"},
      {"--set", "agent.certificates=secret,agent.pkiSecret=others"},
      {"--set", "agent.seccomp=RuntimeDefault"},
      {"--set", "collector.enabled=false,agent.collector=collector.example:7420"},
      {"--set", "certManager.enabled=true,certManager.issuer.kind=ClusterIssuer"},
      {"--set", "monitoring.enabled=true"},
      {"--set", "monitoring.enabled=true,collector.enabled=false"},
      {"--set",
       "agent.seLinuxType=spc_t,image.pullSecrets[0].name=pull,agent.nodeSelector.pool=dev"},
      {"--set", "collector.storage.className=fast,image.tag=1.2.3"},
      {"--set-json",
       R"(agent.config={"sensor":{"ring_bytes":4194304},"identity":{"owner":["a/b"]}})"},
      {"--set-json", R"(collector.operators=[{"ipBlock":{"cidr":"192.0.2.0/24"}}])"},
      {"--set-json", kEgress},
  };
  return kChoices;
}

class Deploy : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tools = run_program(
        {.argv = {PICKET_SOURCE_DIR "/tests/deploy/tools", PICKET_DEPLOY_TOOLS}}, kInstall);
    ASSERT_TRUE(tools.ok()) << tools.status();
    if (tools->exit_code == 0) return;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string_view(ci) == "true") FAIL() << "must run here: " << tools->err;
    GTEST_SKIP() << tools->err;
  }

  static std::string tool(const std::string& path) { return PICKET_DEPLOY_TOOLS "/" + path; }

  static absl::StatusOr<ProgramResult> helm(Words arguments, const Words& chosen) {
    arguments.insert(arguments.begin(), tool("helm/helm"));
    arguments.insert(arguments.end(), chosen.begin(), chosen.end());
    return run_program({.argv = arguments});
  }

  static std::vector<Manifest> render(const Words& chosen) {
    auto made = helm({"template", "picket", kChart, "--namespace", "picket"}, chosen);
    EXPECT_TRUE(made.ok() && made->exit_code == 0) << made->err;
    auto all = read_manifests(made->out);
    EXPECT_TRUE(all.ok()) << all.status();
    return *std::move(all);
  }

  static std::vector<Manifest> kustomize(const std::string& overlay) {
    auto made =
        output_of({tool("kubectl/kubectl"), "kustomize", kDeploy + "/daemonset/" + overlay});
    EXPECT_TRUE(made.ok()) << made.status();
    auto all = read_manifests(*made);
    EXPECT_TRUE(all.ok()) << all.status();
    return *std::move(all);
  }
};

// Kustomize keeps no order in lists of mappings, nor between documents.
Manifest sorted(const Manifest& value) {
  Manifest result = value;
  for (Manifest& part : result) part = part.is_structured() ? sorted(part) : part;
  if (result.is_array()) std::sort(result.begin(), result.end());
  return result;
}

TEST_F(Deploy, ChartIsCleanWithEveryChoice) {
  for (const Words& chosen : choices()) {
    auto lint = helm({"lint", "--strict", "--quiet", kChart}, chosen);
    ASSERT_TRUE(lint.ok()) << lint.status();
    EXPECT_EQ(lint->exit_code, 0) << lint->out << lint->err;
  }
}

TEST_F(Deploy, WrongValuesAreRefusedByName) {
  for (const std::string wrong :
       {"runtime=docker", "agent.seccomp=Unconfined", "agent.certificates=none",
        "agent.privileged=true", "agent.config.http=0", "agent.collector=nowhere",
        "agent.resources.limits.cpu=1", "collector.replicas=2", "collector.storage.size=big",
        "image.agent=", "hostNetwork=true"}) {
    auto made = helm({"template", "picket", kChart, "--set"}, {wrong});
    ASSERT_TRUE(made.ok()) << made.status();
    const std::string key = wrong.substr(0, wrong.find('='));
    EXPECT_NE(made->exit_code, 0) << wrong;
    EXPECT_THAT(made->err, HasSubstr(key.substr(key.rfind('.') + 1))) << wrong;
  }
}

// As an object of TypeScript, where an unknown field or a wrong type does not compile.
std::string typed(const Manifest& manifest, size_t number) {
  const std::string version = manifest["apiVersion"], kind = manifest["kind"];
  std::string package = "kubernetes-models/" + version;
  if (version.starts_with("cert-manager.io/"))
    package = "@kubernetes-models/cert-manager/" + version;
  if (version.starts_with("monitoring.coreos.com/"))
    package = "@kubernetes-models/prometheus-operator/" + version;
  return fmt::format(
      "import type {{ I{0} as I{1} }} from \"{2}/{0}\";\nexport const d{1}: I{1} = {3};\n", kind,
      number, package, manifest.dump());
}

absl::StatusOr<ProgramResult> check_types(const std::vector<Manifest>& manifests,
                                          const std::string& name) {
  std::string text;
  for (size_t i = 0; i < manifests.size(); ++i) text += typed(manifests[i], i);
  const std::string file = PICKET_DEPLOY_TOOLS "/" + name;
  if (absl::Status written = write_file(file, text); !written.ok()) return written;
  return run_program({.argv = {"node", PICKET_DEPLOY_TOOLS "/node_modules/typescript/bin/tsc",
                               "--noEmit", "--strict", "--skipLibCheck", "--module", "esnext",
                               "--moduleResolution", "bundler", file}},
                     std::chrono::minutes(4));
}

TEST_F(Deploy, EveryManifestHasTheTypesOfKubernetes) {
  std::vector<Manifest> all;
  for (const Words& chosen : choices())
    for (Manifest& manifest : render(chosen)) all.push_back(std::move(manifest));
  for (const char* overlay : {"overlays/single", "overlays/trial"})
    for (Manifest& manifest : kustomize(overlay)) all.push_back(std::move(manifest));
  auto checked = check_types(all, "manifests.ts");
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->exit_code, 0) << checked->out;

  // It would have been seen.
  Manifest agent = *find_manifest(all, "DaemonSet", "picket-agent");
  agent["spec"]["template"]["spec"]["hostPIDs"] = true;
  checked = check_types({agent}, "wrong.ts");
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_NE(checked->exit_code, 0);
  EXPECT_THAT(checked->out, HasSubstr("hostPIDs"));
}

TEST_F(Deploy, StaticManifestsAreTheCharts) {
  const std::string fresh = tool("daemonset");
  const auto made = output_of({kDeploy + "/render", tool("helm/helm"), fresh});
  ASSERT_TRUE(made.ok()) << made.status();
  size_t compared = 0;
  for (const auto& file : fs::recursive_directory_iterator(fresh)) {
    if (!file.is_regular_file()) continue;
    const std::string place = fs::relative(file.path(), fresh).string();
    EXPECT_EQ(*read_file(file.path()), read_file(kDeploy + "/daemonset/" + place).value_or(""))
        << "deploy/daemonset/" << place << ": deploy/render makes it anew";
    ++compared;
  }
  EXPECT_EQ(compared, 5u);
}

TEST_F(Deploy, OverlaysSayWhatTheChartDoes) {
  EXPECT_EQ(sorted(kustomize("overlays/single")),
            sorted(render({"--set", "namespace.create=true"})));
  EXPECT_EQ(sorted(kustomize("overlays/trial")),
            sorted(render({"--set", "namespace.create=true,agent.certificates=secret"})));
}

// Of any container, whatever was chosen.
void expect_confined(const Manifest& pod, const Manifest& container, const std::string& seccomp) {
  SCOPED_TRACE(container["name"]);
  const Manifest& security = container["securityContext"];
  EXPECT_EQ(security["privileged"], false);
  EXPECT_EQ(security["allowPrivilegeEscalation"], false);
  EXPECT_EQ(security["readOnlyRootFilesystem"], true);
  EXPECT_EQ(security["capabilities"]["drop"], Manifest({"ALL"}));
  EXPECT_FALSE(security.contains("procMount"));
  const Manifest& where = security.contains("seccompProfile") ? security : pod["securityContext"];
  EXPECT_EQ(where["seccompProfile"]["type"], seccomp);
  EXPECT_TRUE(container["resources"]["limits"].contains("memory"));
  EXPECT_FALSE(container["resources"]["limits"].contains("cpu"));
  EXPECT_TRUE(container["resources"]["requests"].contains("cpu"));
}

void expect_no_network_of_the_node(const Manifest& pod) {
  EXPECT_EQ(pod.value("hostNetwork", false), false);
  EXPECT_EQ(pod.value("hostIPC", false), false);
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  EXPECT_EQ(pod["enableServiceLinks"], false);
}

// The node's folders by name, and who may write there.
std::set<std::string> host_folders(const Manifest& pod, const Manifest& container) {
  std::set<std::string> found;
  for (const Manifest& volume : pod["volumes"]) {
    if (!volume.contains("hostPath")) continue;
    for (const Manifest& mount : container["volumeMounts"])
      if (mount["name"] == volume["name"])
        found.insert(volume["hostPath"]["path"].get<std::string>() +
                     (mount.value("readOnly", false) ? "" : " (written)"));
  }
  return found;
}

TEST_F(Deploy, AgentHasWhatItNeedsAndNothingElse) {
  for (const Words& chosen : choices()) {
    SCOPED_TRACE(::testing::PrintToString(chosen));
    const auto all = render(chosen);
    const Manifest* agent = find_manifest(all, "DaemonSet", "picket-agent");
    ASSERT_NE(agent, nullptr);
    const Manifest& pod = (*agent)["spec"]["template"]["spec"];
    const std::string words = ::testing::PrintToString(chosen);
    const bool own_profile = words.find("RuntimeDefault") == words.npos;
    expect_no_network_of_the_node(pod);
    EXPECT_EQ(pod["hostPID"], true);
    ASSERT_EQ(pod["containers"].size(), 1u);
    const Manifest& picketd = pod["containers"][0];
    expect_confined(pod, picketd, own_profile ? "Localhost" : "RuntimeDefault");
    EXPECT_EQ(picketd["securityContext"]["capabilities"]["add"],
              Manifest({"BPF", "PERFMON", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "KILL"}));
    ASSERT_EQ(pod.contains("initContainers"), own_profile);
    if (own_profile) {
      const Manifest& first = pod["initContainers"][0];
      expect_confined(pod, first, "RuntimeDefault");
      EXPECT_FALSE(first["securityContext"]["capabilities"].contains("add"));
      EXPECT_THAT(host_folders(pod, first),
                  UnorderedElementsAre("/var/lib/kubelet/seccomp/picket (written)"));
    }
    EXPECT_EQ((*agent)["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], "10%");
    EXPECT_EQ(pod["tolerations"], Manifest::parse(R"([{"operator": "Exists"}])"));
    EXPECT_EQ(pod["terminationGracePeriodSeconds"], 30);
    EXPECT_EQ(picketd["readinessProbe"]["httpGet"]["path"], "/readyz");
    EXPECT_EQ(picketd["livenessProbe"]["httpGet"]["path"], "/livez");
  }
}

TEST_F(Deploy, NodesFoldersAreFewAndMostlyReadOnly) {
  const auto folders = [&](const Words& chosen) {
    const auto all = render(chosen);
    const Manifest& pod =
        (*find_manifest(all, "DaemonSet", "picket-agent"))["spec"]["template"]["spec"];
    return host_folders(pod, pod["containers"][0]);
  };
  const std::set<std::string> common{"/sys/fs/cgroup (written)", "/var/lib/picket (written)",
                                     "/sys/kernel/tracing"};
  const auto with = [&](std::set<std::string> more) {
    more.insert(common.begin(), common.end());
    return more;
  };
  EXPECT_EQ(folders({}), with({"/etc/picket/pki", "/run/containerd"}));
  EXPECT_EQ(folders({"--set", "runtime=crio"}),
            with({"/etc/picket/pki", "/run/crio", "/var/lib/containers/storage"}));
  EXPECT_EQ(folders({"--set", "runtime=k3s"}), with({"/etc/picket/pki", "/run/k3s/containerd"}));
  EXPECT_EQ(folders({"--set", "agent.certificates=secret"}), with({"/run/containerd"}));
}

TEST_F(Deploy, CollectorIsNobodyOnTheNode) {
  const auto all = render({});
  const Manifest& pod =
      (*find_manifest(all, "StatefulSet", "picket-collector"))["spec"]["template"]["spec"];
  expect_no_network_of_the_node(pod);
  EXPECT_FALSE(pod.contains("hostPID"));
  EXPECT_EQ(pod["securityContext"]["runAsNonRoot"], true);
  EXPECT_NE(pod["securityContext"]["runAsUser"], 0);
  expect_confined(pod, pod["containers"][0], "RuntimeDefault");
  EXPECT_FALSE(pod["containers"][0]["securityContext"]["capabilities"].contains("add"));
  EXPECT_THAT(host_folders(pod, pod["containers"][0]), IsEmpty());
}

TEST_F(Deploy, NothingAsksTheApiServerAndNoKeyIsInside) {
  const std::set<std::string> known{"Namespace",   "ServiceAccount", "ConfigMap",   "DaemonSet",
                                    "StatefulSet", "Service",        "Certificate", "NetworkPolicy",
                                    "PodMonitor",  "ServiceMonitor"};
  for (const Words& chosen : choices())
    for (const Manifest& manifest : render(chosen)) {
      EXPECT_TRUE(known.contains(manifest["kind"])) << manifest["kind"];
      if (manifest["kind"] == "ServiceAccount") {
        EXPECT_EQ(manifest["automountServiceAccountToken"], false);
      }
    }
}

TEST_F(Deploy, NetworkIsClosedButForTheOneWay) {
  const auto all = render({});
  const Manifest& agent = (*find_manifest(all, "NetworkPolicy", "picket-agent"))["spec"];
  EXPECT_THAT(agent["policyTypes"], UnorderedElementsAre("Ingress", "Egress"));
  EXPECT_THAT(agent["ingress"], IsEmpty());
  ASSERT_EQ(agent["egress"].size(), 2u);  // the collector, the names
  EXPECT_EQ(
      agent["egress"][0]["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"],
      "collector");
  EXPECT_EQ(agent["egress"][0]["ports"][0]["port"], 7420);
  const Manifest& collector = (*find_manifest(all, "NetworkPolicy", "picket-collector"))["spec"];
  EXPECT_THAT(collector["egress"], IsEmpty());
  const auto with_outputs = render({"--set-json", kEgress});
  const Manifest& dials = (*find_manifest(with_outputs, "NetworkPolicy", "picket-collector"));
  ASSERT_EQ(dials["spec"]["egress"].size(), 1u);
  EXPECT_EQ(dials["spec"]["egress"][0]["ports"][0]["port"], 6514);
  ASSERT_EQ(collector["ingress"].size(), 1u);
  EXPECT_EQ(collector["ingress"][0]["from"].size(), 1u);
  // Each selector finds the pods that it means.
  for (const auto& [kind, name] :
       {std::pair("DaemonSet", "picket-agent"), std::pair("StatefulSet", "picket-collector")}) {
    const Manifest& policy = (*find_manifest(all, "NetworkPolicy", name))["spec"];
    const Manifest& labels =
        (*find_manifest(all, kind, name))["spec"]["template"]["metadata"]["labels"];
    for (const auto& [key, value] : policy["podSelector"]["matchLabels"].items())
      EXPECT_EQ(labels[key], value);
  }
}

// Keys and values are those that the programs know.
TEST_F(Deploy, ProgramsAcceptTheirConfiguration) {
  DevPki pki;
  pki.issue("collector collector");
  fs::copy(pki.folder() / "collector.crt", pki.folder() / "tls.crt");
  fs::copy(pki.folder() / "collector.key", pki.folder() / "tls.key");
  for (const Words& chosen : choices()) {
    SCOPED_TRACE(::testing::PrintToString(chosen));
    const auto all = render(chosen);
    for (const auto& [program, map, key] :
         {std::tuple("picketd", "picket-agent", "picketd.yaml"),
          std::tuple("picket-collector", "picket-collector", "collector.yaml")}) {
      const Manifest* found = find_manifest(all, "ConfigMap", map);
      if (found == nullptr) continue;
      std::string text = (*found)["data"][key];
      for (size_t at; (at = text.find("/etc/picket/pki")) != text.npos;)
        text.replace(at, std::string_view("/etc/picket/pki").size(), pki.folder().string());
      const std::string file = pki.folder() / key;
      ASSERT_TRUE(write_file(file, text).ok());
      const auto checked = output_of(
          {fmt::format("{}/{}", PICKET_BINARY_DIR, program), "--validate", "--config", file});
      EXPECT_TRUE(checked.ok()) << checked.status();
    }
  }
}

}  // namespace
}  // namespace picket::test
