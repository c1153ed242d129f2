// Who a workspace is, by the files of Docker, Podman and CRI-O, by the names that kubelets give to
// cgroups, and by the labels of platforms. The files have the shape that the runtimes write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/docker_completion.h"
#include "agent/enrich/identity_json.h"
#include "agent/enrich/ownership.h"
#include "agent/enrich/storage_resolver.h"

namespace picket {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kId(64, 'd');
const std::string kUid = "7d0f1f2a-4c5b-4e6d-8f90-a1b2c3d4e5f6";

class IdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "identityXXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    root_ = folder;
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  Workspace container() {
    Workspace workspace;
    workspace.id = workspace.name = workspace.container_id = kId;
    workspace.image = "/rootfs";
    workspace.image_source = "rootfs";
    workspace.runtime = "containerd";
    return workspace;
  }

  fs::path root_;
};

TEST_F(IdentityTest, DockerKeepsNameImageAndLabels) {
  write("containers/" + kId + "/config.v2.json", R"({
    "StreamConfig": {}, "State": {"Running": true, "Pid": 4711}, "ID": ")" +
                                                     kId + R"(",
    "Created": "2026-11-01T10:00:00.000000000Z", "Path": "sh", "Args": [],
    "Config": {"Hostname": "dddddddddddd", "Image": "registry.example/dev:3", "Env": ["PATH=/bin"],
      "Labels": {"coder.owner": "ann", "devcontainer.local_folder": "/home/ann/front"}},
    "Image": "sha256:00ff", "ImageManifest": {"mediaType": "m", "digest": "sha256:abcd", "size": 1},
    "Name": "/coder-ann-front", "Driver": "overlay2", "RestartCount": 0})");
  Workspace workspace = container();
  ASSERT_TRUE(DockerCompletion(root_).complete(workspace).ok());
  EXPECT_EQ(workspace.runtime, "docker");
  EXPECT_EQ(workspace.name, "coder-ann-front");
  EXPECT_EQ(workspace.image, "registry.example/dev:3");
  EXPECT_EQ(workspace.image_source, "runtime");
  EXPECT_EQ(workspace.image_digest, "sha256:abcd");
  EXPECT_EQ(workspace.labels.at("coder.owner"), "ann");
  apply_ownership(workspace, {});
  EXPECT_EQ(workspace.owner, "ann");
  EXPECT_EQ(workspace.repository, "/home/ann/front");
}

TEST_F(IdentityTest, WhoIsNotDockersStaysAsItIs) {
  Workspace workspace = container();
  ASSERT_TRUE(DockerCompletion(root_).complete(workspace).ok());
  EXPECT_EQ(workspace.runtime, "containerd");
  write("containers/" + kId + "/config.v2.json", "{\"ID\": ");
  EXPECT_THAT(std::string(DockerCompletion(root_).complete(workspace).message()),
              HasSubstr("config.v2.json"));
}

TEST_F(IdentityTest, PodmanKeepsItsNamesInAList) {
  write(
      "overlay-containers/" + kId + "/userdata/config.json",
      R"({"ociVersion": "1.0.2-dev", "root": {"path": "/var/lib/containers/storage/overlay/x/merged"},
            "annotations": {"io.container.manager": "libpod", "run.oci.systemd.subgroup": ""},
            "linux": {"cgroupsPath": "machine.slice:libpod:)" +
          kId + "\"}}");
  write("overlay-containers/containers.json", R"([{"id": "other"}, {"id": ")" + kId + R"(",
    "names": ["box"], "image": "00ff", "layer": "ll",
    "metadata": "{\"image-name\":\"registry.example/box:latest\",\"image-id\":\"00ff\",\"name\":\"box\",\"created-at\":1}",
    "created": "2026-11-01T10:00:00Z"}])");
  StorageResolver resolver({root_ / "none", root_});
  for (const char* path : {"/machine.slice/libpod-", "/libpod_parent/libpod-"}) {
    const auto found = resolver.resolve({.path = path + kId});
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->container_id, kId);
    EXPECT_EQ(found->name, "box");
    EXPECT_EQ(found->image, "registry.example/box:latest");
    EXPECT_EQ(found->image_source, "runtime");
    EXPECT_EQ(found->runtime, "podman");
  }
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/" + std::string(64, 'e')}).status()));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/x"}).status()));
}

TEST_F(IdentityTest, CrioKeepsItsPodInAnnotations) {
  write("overlay-containers/" + kId + "/userdata/config.json",
        R"({"root": {"path": "/merged"}, "annotations": {"io.container.manager": "cri-o",
            "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "s1",
            "io.kubernetes.container.name": "dev", "io.kubernetes.cri-o.ImageName": "registry.example/dev:3",
            "io.kubernetes.pod.name": "ws-1", "io.kubernetes.pod.namespace": "team", "io.kubernetes.pod.uid": ")" +
            kUid + R"(", "io.kubernetes.cri-o.Labels": "{\"picket/owner\":\"ann\"}"}})");
  const auto found =
      StorageResolver({root_}).resolve({.path = "/kubepods.slice/crio-" + kId + ".scope"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->runtime, "cri-o");
  EXPECT_EQ(found->name, "dev");
  EXPECT_EQ(found->image, "registry.example/dev:3");
  EXPECT_EQ(found->pod.name, "ws-1");
  EXPECT_EQ(found->pod.ns, "team");
  EXPECT_EQ(found->pod.uid, kUid);
  EXPECT_EQ(found->labels.at("picket/owner"), "ann");
  EXPECT_FALSE(is_pod_sandbox(*found));
}

TEST(CgroupName, FindsContainerAndPodOfEveryRuntime) {
  struct Case {
    std::string path, id, uid;
  };
  std::string under = kUid;
  std::ranges::replace(under, '-', '_');
  const std::string hash(32, 'a');
  const Case cases[] = {
      {"/kubepods/burstable/pod" + kUid + "/" + kId, kId, kUid},
      {"/kubepods/pod" + kUid + "/" + kId, kId, kUid},
      {"/kubepods/besteffort/pod" + hash + "/" + kId, kId, hash},
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under +
           ".slice/cri-containerd-" + kId + ".scope",
       kId, kUid},
      {"/kubepods.slice/kubepods-pod" + under + ".slice/crio-" + kId + ".scope", kId, kUid},
      {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under + ".slice/docker-" +
           kId + ".scope",
       kId, kUid},
      {"/docker/" + kId, kId, ""},
      {"/system.slice/docker-" + kId + ".scope", kId, ""},
      {"/machine.slice/libpod-" + kId + ".scope", kId, ""},
      {"/libpod_parent/libpod-" + kId, kId, ""},
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", kId,
       ""},
      {"/kubepods/podinfo/" + kId, kId, ""},
      {"/pods/x", "x", ""},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(workspace_id(one.path), one.id) << one.path;
    EXPECT_EQ(pod_uid(one.path), one.uid) << one.path;
  }
}

TEST(Annotations, ContainerdsTellThePod) {
  Workspace workspace;
  workspace.id = kId;
  apply_annotations(workspace, {{"io.kubernetes.cri.container-type", "container"},
                                {"io.kubernetes.cri.container-name", "dev"},
                                {"io.kubernetes.cri.image-name", "registry.example/dev:3"},
                                {"io.kubernetes.cri.sandbox-name", "ws-1"},
                                {"io.kubernetes.cri.sandbox-namespace", "team"},
                                {"io.kubernetes.cri.sandbox-uid", kUid}});
  EXPECT_EQ(workspace.pod.name, "ws-1");
  EXPECT_EQ(workspace.pod.ns, "team");
  EXPECT_EQ(workspace.pod.uid, kUid);
  EXPECT_FALSE(is_pod_sandbox(workspace));
}

TEST(Annotations, LabelsAreBounded) {
  Labels labels;
  for (int i = 0; i < 1000; ++i) add_label(labels, std::to_string(i), std::string(5000, 'x'));
  EXPECT_EQ(labels.size(), 128u);
  EXPECT_EQ(labels.at("0").size(), 1024u);
  add_label(labels, "0", "new");  // known ones still change
  EXPECT_EQ(labels.at("0"), "new");
}

TEST(Ownership, PlatformsAreKnownByTheirLabels) {
  struct Case {
    Labels labels;
    std::string owner, template_name, repository, pull_request;
  };
  const Case cases[] = {
      {{{"com.coder.user.username", "ann"}, {"com.coder.template.name", "cpp"}},
       "ann",
       "cpp",
       "",
       ""},
      {{{"owner", "ann"}, {"gitpod.io/workspaceClass", "large"}, {"project", "front"}},
       "ann",
       "large",
       "front",
       ""},
      {{{"devpod.sh/workspace", "front"}, {"loft.sh/workspace-source", "git:x/front"}},
       "",
       "front",
       "git:x/front",
       ""},
      {{{"controller.devfile.io/creator", "u-1"},
        {"controller.devfile.io/devworkspace_name", "go"}},
       "u-1",
       "go",
       "",
       ""},
      {{{"app.kubernetes.io/name", "box"}}, "", "box", "", ""},
      {{{"picket/owner", "bob"}, {"owner", "ann"}, {"picket/pull-request", "7"}},
       "bob",
       "",
       "",
       "7"},
      {{{"picket/owner", ""}, {"owner", "ann"}}, "ann", "", "", ""},
  };
  for (const Case& one : cases) {
    Workspace workspace;
    workspace.pod.labels = one.labels;
    apply_ownership(workspace, {});
    EXPECT_EQ(workspace.owner, one.owner);
    EXPECT_EQ(workspace.template_name, one.template_name);
    EXPECT_EQ(workspace.repository, one.repository);
    EXPECT_EQ(workspace.pull_request, one.pull_request);
  }
}

TEST(Ownership, TheContainersOwnLabelsComeFirst) {
  Workspace workspace;
  workspace.labels = {{"who", "container"}};
  workspace.pod.labels = {{"who", "label"}};
  workspace.pod.annotations = {{"who", "annotation"}, {"why", "annotation"}};
  apply_ownership(workspace, {.owner = {"who"}, .template_name = {"why"}});
  EXPECT_EQ(workspace.owner, "container");
  EXPECT_EQ(workspace.template_name, "annotation");
}

TEST(Ownership, ALabelSelectsTheProfileWhereverItIsSet) {
  const OwnershipKeys keys{.restricted = {"fork", "trust=none"}};
  const auto profile = [&](Labels container, Labels pod, Labels annotations) {
    Workspace workspace;
    workspace.labels = std::move(container);
    workspace.pod.labels = std::move(pod);
    workspace.pod.annotations = std::move(annotations);
    apply_ownership(workspace, keys);
    return workspace.profile;
  };
  EXPECT_EQ(profile({{"fork", "412"}}, {}, {}), "restricted");
  EXPECT_EQ(profile({}, {{"trust", "none"}}, {}), "restricted");
  EXPECT_EQ(profile({}, {}, {{"fork", "true"}}), "restricted");
  EXPECT_EQ(profile({{"fork", "false"}}, {{"fork", "true"}}, {}), "restricted");
  EXPECT_EQ(profile({{"fork", "false"}}, {{"fork", "0"}}, {{"fork", ""}}), "");
  EXPECT_EQ(profile({{"trust", "full"}, {"team", "fork"}}, {}, {}), "");
}

TEST(IdentityJson, KeepsAllOfAnIdentity) {
  Workspace workspace;
  workspace.profile = "restricted";
  workspace.id = workspace.name = "x";
  workspace.image = "i";
  workspace.image_digest = "sha256:1";
  workspace.pod = {"p", "n", "u", {{"a", "b"}}, {{"c", "d"}}};
  workspace.owner = "o";
  workspace.template_name = "t";
  workspace.repository = "r";
  workspace.pull_request = "7";
  workspace.incomplete = "why";
  const auto read = identity_from_json(identity_to_json(1, workspace));
  ASSERT_TRUE(read.ok()) << read.status();
  const Workspace& again = *read->workspace;
  EXPECT_EQ(again.image_digest, "sha256:1");
  EXPECT_EQ(again.pod.name, "p");
  EXPECT_EQ(again.pod.ns, "n");
  EXPECT_EQ(again.pod.uid, "u");
  EXPECT_EQ(again.pod.labels, workspace.pod.labels);
  EXPECT_EQ(again.pod.annotations, workspace.pod.annotations);
  EXPECT_EQ(again.owner, "o");
  EXPECT_EQ(again.template_name, "t");
  EXPECT_EQ(again.repository, "r");
  EXPECT_EQ(again.pull_request, "7");
  EXPECT_EQ(again.profile, "restricted");
  EXPECT_EQ(again.incomplete, "why");
}

}  // namespace
}  // namespace picket
