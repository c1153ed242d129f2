#include "collector/cli/client.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <mutex>

#include "common/rule_bundle.h"
#include "common/rule_signature.h"
#include "common/tls.h"
#include "common/watching_metadata.h"
#include "picket/v1/operator.grpc.pb.h"

namespace picket {
namespace {

constexpr std::chrono::seconds kCallTime{30};  // of one answer, also of a stream's next one
constexpr std::chrono::seconds kConnectTime{10};

using Deadline = std::chrono::system_clock::time_point;

Deadline in(std::chrono::milliseconds time) { return std::chrono::system_clock::now() + time; }

// The server's words, or gRPC's where the server was not reached.
absl::Status from_grpc(const grpc::Status& status, const std::string& address) {
  if (status.ok()) return absl::OkStatus();
  std::string message = status.error_message();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    message = fmt::format("connect to {}: {}", address, message);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
}

}  // namespace

struct Client::Impl {
  // A call for as long as it runs, so that cancel() finds it.
  class Call {
   public:
    explicit Call(Impl& impl) : impl_(impl) {
      const std::lock_guard lock(impl_.mutex);
      impl_.running = &context;
      if (impl_.cancelled) context.TryCancel();
    }
    ~Call() {
      const std::lock_guard lock(impl_.mutex);
      impl_.running = nullptr;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    grpc::ClientContext context;

   private:
    Impl& impl_;
  };

  std::string region, address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::OperatorService::Stub> stub;
  std::mutex mutex;  // of what follows
  grpc::ClientContext* running = nullptr;
  bool cancelled = false;

  // So that a collector that is not there is told apart from one that is slow to answer, and at
  // once.
  absl::Status connect() {
    const Deadline deadline = in(kConnectTime);
    for (auto state = channel->GetState(true); state != GRPC_CHANNEL_READY;
         state = channel->GetState(true)) {
      if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN ||
          !channel->WaitForStateChange(state, deadline)) {
        return absl::UnavailableError(
            fmt::format("connect to {}: not reachable, or it and we do not trust each other's "
                        "certificates",
                        address));
      }
    }
    return absl::OkStatus();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (v1::OperatorService::Stub::*method)(
                                    grpc::ClientContext*, const Request&, Response*),
                                const Request& request,
                                std::chrono::milliseconds time = kCallTime) {
    if (absl::Status status = connect(); !status.ok()) return status;
    Call now(*this);
    now.context.set_deadline(in(time));
    Response response;
    absl::Status status =
        from_grpc((stub.get()->*method)(&now.context, request, &response), address);
    if (!status.ok()) return status;
    return response;
  }
};

Client::Client(const CliContext& context) : impl_(std::make_unique<Impl>()) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  impl_->region = context.region;
  impl_->address = context.collector;
  impl_->channel = grpc::CreateCustomChannel(
      context.collector, channel_credentials(context.tls, context.server_id), arguments);
  impl_->stub = v1::OperatorService::NewStub(impl_->channel);
}

Client::~Client() = default;

const std::string& Client::region() const { return impl_->region; }

void Client::cancel() {
  const std::lock_guard lock(impl_->mutex);
  impl_->cancelled = true;
  if (impl_->running != nullptr) impl_->running->TryCancel();
}

// However many there are, each comes in time or none does any more.
absl::Status Client::list_alerts(const v1::ListAlertsRequest& request, const OnAlert& on_alert) {
  if (absl::Status status = impl_->connect(); !status.ok()) return status;
  Impl::Call call(*impl_);
  grpc::CompletionQueue queue;
  bool late = false;
  const auto done = [&] {
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, in(kCallTime)) != grpc::CompletionQueue::TIMEOUT) return ok;
    late = true;
    call.context.TryCancel();
    queue.Next(&tag, &ok);
    return false;
  };
  const auto reader = impl_->stub->AsyncListAlerts(&call.context, request, &queue, nullptr);
  v1::ListAlertsResponse response;
  bool enough = false;
  for (bool going = done(); going && !enough;) {
    reader->Read(&response, nullptr);
    going = done();
    if (going) enough = !on_alert(response.alert());
  }
  if (enough) call.context.TryCancel();
  grpc::Status ended;
  reader->Finish(&ended, nullptr);
  done();
  if (enough) return absl::OkStatus();
  if (late)
    return absl::DeadlineExceededError(
        fmt::format("{} sent nothing for {} s", impl_->address, kCallTime.count()));
  return from_grpc(ended, impl_->address);
}

absl::Status Client::watch_alerts(const v1::WatchAlertsRequest& request,
                                  const std::function<void()>& on_watching,
                                  const OnWatched& on_alert) {
  if (absl::Status status = impl_->connect(); !status.ok()) return status;
  Impl::Call call(*impl_);
  const auto reader = impl_->stub->WatchAlerts(&call.context, request);
  reader->WaitForInitialMetadata();
  // It came without the key when the call was refused.
  if (call.context.GetServerInitialMetadata().contains(kWatchingMetadata)) on_watching();
  v1::WatchAlertsResponse response;
  bool enough = false;
  while (!enough && reader->Read(&response)) enough = !on_alert(response);
  if (enough) call.context.TryCancel();
  absl::Status status = from_grpc(reader->Finish(), impl_->address);
  return enough ? absl::OkStatus() : status;
}

absl::StatusOr<v1::Alert> Client::alert(const std::string& id) {
  v1::GetAlertRequest request;
  request.set_id(id);
  auto response = impl_->call(&v1::OperatorService::Stub::GetAlert, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_alert());
}

absl::StatusOr<v1::ListWorkspacesResponse> Client::workspaces(const std::string& workspace) {
  v1::ListWorkspacesRequest request;
  request.set_workspace(workspace);
  return impl_->call(&v1::OperatorService::Stub::ListWorkspaces, request);
}

absl::StatusOr<v1::ListAgentSessionsResponse> Client::agent_sessions(
    const v1::ListAgentSessionsRequest& request) {
  return impl_->call(&v1::OperatorService::Stub::ListAgentSessions, request);
}

absl::StatusOr<v1::ListNodesResponse> Client::nodes(uint32_t gaps) {
  v1::ListNodesRequest request;
  request.set_gaps(gaps);
  return impl_->call(&v1::OperatorService::Stub::ListNodes, request);
}

absl::StatusOr<v1::GetStatusResponse> Client::status() {
  return impl_->call(&v1::OperatorService::Stub::GetStatus, v1::GetStatusRequest{});
}

absl::StatusOr<v1::RunCommandResponse> Client::run(const v1::RunCommandRequest& request) {
  // The collector answers within the command's own time; ours is only for a collector that died.
  const std::chrono::milliseconds time =
      kCallTime + std::chrono::milliseconds(request.timeout_ms());
  return impl_->call(&v1::OperatorService::Stub::RunCommand, request, time * 2);
}

absl::StatusOr<v1::PublishPolicyResponse> Client::publish_policy(const std::string& bundle,
                                                                 const std::string& reason) {
  if (absl::Status status = impl_->connect(); !status.ok()) return status;
  Impl::Call call(*impl_);
  call.context.set_deadline(in(kCallTime));
  v1::PublishPolicyResponse response;
  const auto writer = impl_->stub->PublishPolicy(&call.context, &response);
  const std::string id = sha256_hex(bundle);  // only for this call: the collector names it itself
  v1::PublishPolicyRequest request;
  request.set_reason(reason);
  // A write fails when the collector has answered already.
  bool wanted = true;
  for (size_t sent = 0; wanted && sent < bundle.size(); sent += request.chunk().data().size()) {
    *request.mutable_chunk() = rule_bundle_chunk(id, bundle, sent);
    wanted = writer->Write(request);
  }
  writer->WritesDone();
  absl::Status status = from_grpc(writer->Finish(), impl_->address);
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::ChangePolicyResponse> Client::change_policy(
    const v1::ChangePolicyRequest& request) {
  return impl_->call(&v1::OperatorService::Stub::ChangePolicy, request);
}

absl::StatusOr<v1::GetPolicyResponse> Client::policy(const std::string& version) {
  v1::GetPolicyRequest request;
  request.set_version(version);
  return impl_->call(&v1::OperatorService::Stub::GetPolicy, request);
}

absl::StatusOr<v1::ListAuditResponse> Client::audit(const v1::ListAuditRequest& request) {
  return impl_->call(&v1::OperatorService::Stub::ListAudit, request);
}

}  // namespace picket
