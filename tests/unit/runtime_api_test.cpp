// What a runtime's API adds to a workspace, asked of a server of the test's over a real socket.
#include "agent/enrich/runtime_api.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "agent/enrich/runtime_completion.h"
#include "containerd/containers/v1/containers.grpc.pb.h"
#include "containerd/images/v1/images.grpc.pb.h"
#include "runtime/v1/runtime.grpc.pb.h"

namespace picket {
namespace {

namespace fs = std::filesystem;
namespace cri = runtime::v1;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

const std::string kId(64, 'c');

struct FakeCri final : cri::RuntimeService::Service {
  grpc::Status ContainerStatus(grpc::ServerContext*, const cri::ContainerStatusRequest* request,
                               cri::ContainerStatusResponse* response) override {
    if (request->container_id() != kId) return {grpc::StatusCode::NOT_FOUND, "no such container"};
    cri::ContainerStatus& status = *response->mutable_status();
    status.mutable_metadata()->set_name("dev");
    status.mutable_image()->set_image("registry.example/box:1");
    status.set_image_ref("registry.example/box@sha256:1234");
    (*status.mutable_labels())["io.kubernetes.container.name"] = "dev";
    (*status.mutable_annotations())["restarts"] = "2";
    return grpc::Status::OK;
  }
  grpc::Status ListContainers(grpc::ServerContext*, const cri::ListContainersRequest* request,
                              cri::ListContainersResponse* response) override {
    if (request->filter().id() == kId) response->add_containers()->set_pod_sandbox_id("sandbox-1");
    return grpc::Status::OK;
  }
  grpc::Status PodSandboxStatus(grpc::ServerContext*, const cri::PodSandboxStatusRequest* request,
                                cri::PodSandboxStatusResponse* response) override {
    if (request->pod_sandbox_id() != "sandbox-1") return {grpc::StatusCode::NOT_FOUND, "no pod"};
    cri::PodSandboxStatus& status = *response->mutable_status();
    status.mutable_metadata()->set_name("ws-1");
    status.mutable_metadata()->set_namespace_("team");
    status.mutable_metadata()->set_uid("uid-1");
    (*status.mutable_labels())["com.coder.user.username"] = "ann";
    (*status.mutable_annotations())["picket/pull-request"] = "7";
    (*status.mutable_annotations())["kubectl.kubernetes.io/last-applied-configuration"] = "{}";
    return grpc::Status::OK;
  }
};

bool is_default_space(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("containerd-namespace");
  return found != context.client_metadata().end() && found->second == "default";
}

struct FakeContainers final : containerd::services::containers::v1::Containers::Service {
  grpc::Status Get(grpc::ServerContext* context,
                   const containerd::services::containers::v1::GetContainerRequest* request,
                   containerd::services::containers::v1::GetContainerResponse* response) override {
    if (!is_default_space(*context) || request->id() != "build-box")
      return {grpc::StatusCode::NOT_FOUND, "no such container"};
    response->mutable_container()->set_image("registry.example/plain:2");
    (*response->mutable_container()->mutable_labels())["team"] = "compilers";
    return grpc::Status::OK;
  }
};

struct FakeImages final : containerd::services::images::v1::Images::Service {
  grpc::Status Get(grpc::ServerContext* context,
                   const containerd::services::images::v1::GetImageRequest* request,
                   containerd::services::images::v1::GetImageResponse* response) override {
    if (!is_default_space(*context) || request->name() != "registry.example/plain:2")
      return {grpc::StatusCode::NOT_FOUND, "no such image"};
    response->mutable_image()->mutable_target()->set_digest("sha256:5678");
    return grpc::Status::OK;
  }
};

class RuntimeApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "runtimeXXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    start();
  }
  void TearDown() override {
    stop();
    fs::remove_all(folder_);
  }
  void start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
    for (grpc::Service* service :
         {static_cast<grpc::Service*>(&cri_), static_cast<grpc::Service*>(&containers_),
          static_cast<grpc::Service*>(&images_)})
      builder.RegisterService(service);
    server_ = builder.BuildAndStart();
    ASSERT_TRUE(server_);
  }
  void stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::string socket() const { return folder_ / "runtime.sock"; }
  RuntimeApiOptions options() const {
    return {.sockets = {folder_ / "none.sock", socket()},
            .timeout = milliseconds(10'000),
            .pause = milliseconds(0)};
  }

  Workspace of_pod() const {
    Workspace workspace;
    workspace.id = workspace.name = workspace.container_id = kId;
    workspace.image = "/rootfs";
    workspace.image_source = "rootfs";
    workspace.pod.uid = "uid-1";
    return workspace;
  }

  fs::path folder_;
  FakeCri cri_;
  FakeContainers containers_;
  FakeImages images_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(RuntimeApiTest, APodsContainerGetsItsPodLabelsAndDigest) {
  Workspace workspace = of_pod();
  const absl::Status status = RuntimeCompletion(options()).complete(workspace);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(workspace.name, "dev");
  EXPECT_EQ(workspace.image, "registry.example/box:1");
  EXPECT_EQ(workspace.image_source, "runtime");
  EXPECT_EQ(workspace.image_digest, "sha256:1234");
  EXPECT_EQ(workspace.labels.at("restarts"), "2");
  EXPECT_EQ(workspace.pod.name, "ws-1");
  EXPECT_EQ(workspace.pod.ns, "team");
  EXPECT_EQ(workspace.pod.labels.at("com.coder.user.username"), "ann");
  EXPECT_EQ(workspace.pod.annotations.size(), 1u);  // and nothing of what kubectl keeps
}

TEST_F(RuntimeApiTest, WhatTheContainersFileSaidIsKept) {
  Workspace workspace = of_pod();
  workspace.name = "named";
  workspace.image = "asked/for:1";
  workspace.image_source = "annotation";
  workspace.pod.name = "pod-of-the-file";
  workspace.labels["io.kubernetes.cri.sandbox-id"] = "sandbox-1";
  ASSERT_TRUE(RuntimeCompletion(options()).complete(workspace).ok());
  EXPECT_EQ(workspace.name, "named");
  EXPECT_EQ(workspace.image, "asked/for:1");
  EXPECT_EQ(workspace.pod.name, "pod-of-the-file");
  EXPECT_EQ(workspace.pod.labels.at("com.coder.user.username"), "ann");
}

TEST_F(RuntimeApiTest, AContainerWithoutKubernetesGetsLabelsImageAndDigest) {
  Workspace workspace;
  workspace.id = workspace.container_id = "build-box";
  workspace.runtime = "containerd";
  workspace.image_source = "rootfs";
  workspace.labels["io.containerd.namespace"] = "default";
  const absl::Status status = RuntimeCompletion(options()).complete(workspace);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(workspace.labels.at("team"), "compilers");
  EXPECT_EQ(workspace.image, "registry.example/plain:2");
  EXPECT_EQ(workspace.image_digest, "sha256:5678");

  workspace.labels["io.containerd.namespace"] = "elsewhere";
  EXPECT_THAT(std::string(RuntimeCompletion(options()).complete(workspace).message()),
              HasSubstr("containerd's container build-box in elsewhere"));
}

TEST_F(RuntimeApiTest, NobodyIsAskedAboutWhatNoRuntimeManages) {
  Workspace workspace;
  workspace.id = workspace.container_id = "plain";
  workspace.runtime = "runc";
  stop();
  EXPECT_TRUE(RuntimeCompletion(options()).complete(workspace).ok());
}

TEST_F(RuntimeApiTest, ARestartedRuntimeIsAskedAgain) {
  RuntimeApi api(options());
  ASSERT_TRUE(api.container(kId).ok());
  stop();
  start();
  const auto after = api.container(kId);
  EXPECT_TRUE(after.ok()) << after.status();
}

TEST_F(RuntimeApiTest, ADeadRuntimeIsNotWaitedForTwice) {
  RuntimeApiOptions bounded = options();
  bounded.timeout = milliseconds(2000);
  bounded.pause = std::chrono::hours(1);
  RuntimeApi api(bounded);
  ASSERT_TRUE(api.container(kId).ok());
  stop();
  // gRPC removes the socket with its server; a runtime that crashed leaves it.
  std::ofstream(socket()).put(' ');
  const absl::Status first = api.container(kId).status();
  EXPECT_TRUE(absl::IsUnavailable(first)) << first;
  EXPECT_THAT(std::string(first.message()), HasSubstr("ask the status of container " + kId));
  fs::remove(socket());
  start();
  EXPECT_EQ(api.sandbox("sandbox-1").status(), first);  // at once, although somebody is there
}

TEST_F(RuntimeApiTest, WithoutASocketItSaysWhereItLooked) {
  RuntimeApi api({.sockets = {"/nowhere/a.sock", "/nowhere/b.sock"}});
  const absl::Status status = api.container(kId).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/a.sock or /nowhere/b.sock"));
}

TEST_F(RuntimeApiTest, AnUnknownContainerIsNamed) {
  RuntimeApi api(options());
  const absl::Status status = api.container("other").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("container other"));
  EXPECT_TRUE(absl::IsNotFound(api.sandbox_of("other").status()));
}

}  // namespace
}  // namespace picket
