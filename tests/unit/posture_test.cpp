// What a runtime's configuration says of how a container is set apart from the node.
#include "agent/enrich/posture.h"

#include <gmock/gmock.h>

#include "agent/enrich/identity_json.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// As containerd writes it for a pod's container of a user.
constexpr const char* kOrdinary = R"({
  "process": {"user": {"uid": 1000}, "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/etc/hosts", "type": "bind", "options": ["rbind"],
     "source": "/var/lib/kubelet/pods/1-2/etc-hosts"},
    {"destination": "/data", "type": "bind", "source": "/var/lib/docker/volumes/v/_data"}],
  "linux": {
    "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
    "namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/77/ns/net"}]}})";

std::vector<std::string> words(const std::string& change = "{}",
                               std::optional<bool> privileged = std::nullopt) {
  auto config = nlohmann::json::parse(kOrdinary);
  config.merge_patch(nlohmann::json::parse(change));
  Workspace workspace;
  workspace.privileged = privileged;
  workspace.posture = posture_of(config, [](const std::string& path, std::string_view kind) {
    return path == "/proc/1/ns/" + std::string(kind);
  });
  std::vector<std::string> words;
  for_each_weakness(workspace, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

TEST(Posture, AnOrdinaryContainerHasNoWeakness) {
  EXPECT_THAT(words(), IsEmpty());
  EXPECT_THAT(words("{}", false), IsEmpty());
}

TEST(Posture, EachWeaknessHasItsWord) {
  EXPECT_THAT(words("{}", true), ElementsAre("privileged"));
  EXPECT_THAT(words(R"({"process": {"user": {"uid": 0}}})"), ElementsAre("root_user"));
  EXPECT_THAT(words(R"({"process": {"user": null}})"), ElementsAre("root_user")) << "the default";
  EXPECT_THAT(words(R"({"linux": {"seccomp": null}})"), ElementsAre("no_seccomp"));
  EXPECT_THAT(words(R"({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}})"),
              ElementsAre("no_seccomp"));
  EXPECT_THAT(words(R"({"process": {"capabilities": {"bounding": ["CAP_BPF", "CAP_KILL"]}}})"),
              ElementsAre("added_capabilities"));
}

TEST(Posture, ANamespaceIsTheNodesWhenItIsNotListedOrItsPathSaysSo) {
  EXPECT_THAT(words(R"({"linux": {"namespaces": [{"type": "network"}]}})"),
              ElementsAre("host_pid"));
  EXPECT_THAT(words(R"({"linux": {"namespaces": [{"type": "pid"}]}})"),
              ElementsAre("host_network"));
  EXPECT_THAT(words(R"({"linux": {"namespaces": [{"type": "pid", "path": "/proc/1/ns/pid"},
                                                 {"type": "network", "path": "/proc/1/ns/net"}]}})"),
              ElementsAre("host_pid", "host_network"));
}

TEST(Posture, WhatIsMountedFromTheNodeAndIsNoRuntimesOwn) {
  const auto of = [](const std::string& mount) { return words(R"({"mounts": [)" + mount + "]}"); };
  EXPECT_THAT(of(R"({"type": "bind", "source": "/etc"})"), ElementsAre("host_mount"));
  EXPECT_THAT(of(R"({"type": "none", "source": "/", "options": ["rbind"]})"),
              ElementsAre("host_mount"));
  EXPECT_THAT(of(R"({"type": "bind", "source": "/var/lib/kubelet/pods/../../../../root"})"),
              ElementsAre("host_mount"));
  EXPECT_THAT(of(R"({"type": "bind", "source": "/var/lib/kubelet"})"), ElementsAre("host_mount"))
      << "everybody's";
  EXPECT_THAT(of(R"({"type": "tmpfs", "source": "tmpfs"}, 7)"), IsEmpty());
}

TEST(Posture, RootOfAUserNamespaceIsSomebodyElse) {
  const auto of = [](int host) {
    return words(R"({"process": {"user": {"uid": 0}}, "linux": {"uidMappings":
                 [{"containerID": 0, "size": 9, "hostID": )" +
                 std::to_string(host) + "}]}}");
  };
  EXPECT_THAT(of(100000), IsEmpty());
  EXPECT_THAT(of(0), ElementsAre("root_user"));
}

TEST(Posture, SurvivesARecording) {
  Workspace workspace;
  workspace.id = workspace.name = workspace.image = "x";
  workspace.posture =
      Posture{.host_network = true, .added_capabilities = {"CAP_BPF"}, .host_mounts = {"/etc"}};
  const auto back = identity_from_json(identity_to_json(7, workspace));
  ASSERT_TRUE(back.ok() && back->workspace.ok() && back->workspace->posture.has_value());
  EXPECT_TRUE(back->workspace->posture->host_network);
  EXPECT_FALSE(back->workspace->posture->root);
  EXPECT_THAT(back->workspace->posture->added_capabilities, ElementsAre("CAP_BPF"));
  EXPECT_THAT(back->workspace->posture->host_mounts, ElementsAre("/etc"));
}

TEST(Posture, AnotherKindOfNamespaceOrNoneIsNotTheNodes) {
  EXPECT_FALSE(is_host_namespace("/proc/self/ns/mnt", "net"));
  EXPECT_FALSE(is_host_namespace("/nowhere", "net"));
}

}  // namespace
}  // namespace picket
