#include "agent/enrich/runtime_api.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>

#include "containerd/containers/v1/containers.grpc.pb.h"
#include "containerd/images/v1/images.grpc.pb.h"
#include "runtime/v1/runtime.grpc.pb.h"

namespace picket {
namespace {

namespace cri = runtime::v1;
namespace plain = containerd::services::containers::v1;
namespace images = containerd::services::images::v1;
using Clock = std::chrono::steady_clock;

constexpr int kMaxAnswerBytes = 4 << 20;

std::shared_ptr<grpc::Channel> connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kMaxAnswerBytes);
  // A runtime that comes back is asked within the same call's time.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Despite its name how long an attempt may take: half of the call's time.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

struct RuntimeApi::Impl {
  explicit Impl(RuntimeApiOptions the_options) : options(std::move(the_options)) {}

  absl::Status open() {
    if (Clock::now() < dead_until) return absl::UnavailableError(dead_why);
    const auto exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
    const auto found = std::ranges::find_if(options.sockets, exists);
    if (found == options.sockets.end()) {
      return absl::UnavailableError(
          fmt::format("no runtime has its socket at {}", fmt::join(options.sockets, " or ")));
    }
    if (*found == socket) return absl::OkStatus();
    socket = *found;
    channel = connect(socket);
    runtime_stub = cri::RuntimeService::NewStub(channel);
    plain_stub = plain::Containers::NewStub(channel);
    image_stub = images::Images::NewStub(channel);
    return absl::OkStatus();
  }

  template <class Answer, class Call>
  absl::StatusOr<Answer> ask(const std::string& what, Call call, const std::string& space = {}) {
    if (absl::Status opened = open(); !opened.ok()) return opened;
    const auto deadline = std::chrono::system_clock::now() + options.timeout;
    Answer answer;
    grpc::Status status;
    do {  // once more where the question went into a connection that was gone already
      grpc::ClientContext context;
      context.set_deadline(deadline);
      context.set_wait_for_ready(true);
      if (!space.empty()) context.AddMetadata("containerd-namespace", space);
      answer.Clear();
      status = call(context, answer);
    } while (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
             std::chrono::system_clock::now() < deadline);
    if (status.ok()) return answer;
    const std::string words = fmt::format("ask {} at {}: {}", what, socket, status.error_message());
    const grpc::StatusCode code = status.error_code();
    if (code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED) {
      dead_until = Clock::now() + options.pause;
      dead_why = words;
      return absl::UnavailableError(words);
    }
    return absl::Status(static_cast<absl::StatusCode>(code), words);
  }

  const RuntimeApiOptions options;
  std::string socket;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<cri::RuntimeService::Stub> runtime_stub;
  std::unique_ptr<plain::Containers::Stub> plain_stub;
  std::unique_ptr<images::Images::Stub> image_stub;
  Clock::time_point dead_until;
  std::string dead_why;
};

RuntimeApi::RuntimeApi(RuntimeApiOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

RuntimeApi::~RuntimeApi() = default;

absl::StatusOr<cri::ContainerStatus> RuntimeApi::container(const std::string& id) {
  cri::ContainerStatusRequest request;
  request.set_container_id(id);
  auto answer = impl_->ask<cri::ContainerStatusResponse>(
      "the status of container " + id, [&](grpc::ClientContext& context, auto& response) {
        return impl_->runtime_stub->ContainerStatus(&context, request, &response);
      });
  if (!answer.ok()) return answer.status();
  return std::move(*answer->mutable_status());
}

absl::StatusOr<std::string> RuntimeApi::sandbox_of(const std::string& container_id) {
  cri::ListContainersRequest request;
  request.mutable_filter()->set_id(container_id);
  auto answer = impl_->ask<cri::ListContainersResponse>(
      "the pod of container " + container_id, [&](grpc::ClientContext& context, auto& response) {
        return impl_->runtime_stub->ListContainers(&context, request, &response);
      });
  if (!answer.ok()) return answer.status();
  if (answer->containers_size() != 1)
    return absl::NotFoundError(
        fmt::format("ask the pod of container {}: the runtime does not know it", container_id));
  return answer->containers(0).pod_sandbox_id();
}

absl::StatusOr<cri::PodSandboxStatus> RuntimeApi::sandbox(const std::string& id) {
  cri::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  auto answer = impl_->ask<cri::PodSandboxStatusResponse>(
      "the status of pod sandbox " + id, [&](grpc::ClientContext& context, auto& response) {
        return impl_->runtime_stub->PodSandboxStatus(&context, request, &response);
      });
  if (!answer.ok()) return answer.status();
  return std::move(*answer->mutable_status());
}

absl::StatusOr<plain::Container> RuntimeApi::plain_container(const std::string& space,
                                                             const std::string& id) {
  plain::GetContainerRequest request;
  request.set_id(id);
  auto answer = impl_->ask<plain::GetContainerResponse>(
      fmt::format("containerd's container {} in {}", id, space),
      [&](grpc::ClientContext& context, auto& response) {
        return impl_->plain_stub->Get(&context, request, &response);
      },
      space);
  if (!answer.ok()) return answer.status();
  return std::move(*answer->mutable_container());
}

absl::StatusOr<std::string> RuntimeApi::digest(const std::string& space, const std::string& image) {
  images::GetImageRequest request;
  request.set_name(image);
  auto answer = impl_->ask<images::GetImageResponse>(
      fmt::format("containerd's image {} in {}", image, space),
      [&](grpc::ClientContext& context, auto& response) {
        return impl_->image_stub->Get(&context, request, &response);
      },
      space);
  if (!answer.ok()) return answer.status();
  return answer->image().target().digest();
}

}  // namespace picket
