#include "agent/uplink/stream.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include "common/rule_bundle.h"
#include "common/tls.h"
#include "picket/v1/agent.grpc.pb.h"

namespace picket {
namespace {

class GrpcStream final : public Stream,
                         public grpc::ClientBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  GrpcStream(v1::AgentService::Stub& stub, Outbox& outbox) : outbox_(outbox) {
    context_.set_compression_algorithm(GRPC_COMPRESS_GZIP);  // alerts of one workspace are alike
    stub.async()->Connect(&context_, this);
    AddHold();  // writes come from outside the reactions
    StartRead(&incoming_);
    StartCall();
  }

  void write(const v1::ConnectRequest& request) override {
    outgoing_ = request;
    StartWrite(&outgoing_);
  }
  void cancel() override { context_.TryCancel(); }
  void release() override { RemoveHold(); }

  void OnWriteDone(bool ok) override {
    if (ok) outbox_.report(StreamWritten{});  // a failed write is followed by a failed read
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      outbox_.report(StreamBroken{});
      return;
    }
    switch (incoming_.message_case()) {
      case v1::ConnectResponse::kAck:
        outbox_.report(std::move(*incoming_.mutable_ack()));
        break;
      case v1::ConnectResponse::kCommand:
        outbox_.report(std::move(*incoming_.mutable_command()));
        break;
      case v1::ConnectResponse::kRules:
        take_rules(incoming_.rules());
        break;
      case v1::ConnectResponse::kWaivers:
        outbox_.report(std::move(*incoming_.mutable_waivers()));
        break;
      case v1::ConnectResponse::MESSAGE_NOT_SET:
        break;  // a newer collector's message: not for us
    }
    StartRead(&incoming_);
  }
  void OnDone(const grpc::Status& status) override {
    outbox_.report(StreamDone{
        fmt::format("{} ({})", status.error_message(), static_cast<int>(status.error_code()))});
  }

 private:
  void take_rules(const v1::RuleBundleChunk& chunk) {
    const auto whole = rules_.add(chunk);
    if (!whole.ok()) SPDLOG_ERROR("{}", std::string(whole.status().message()));
    if (whole.ok() && *whole)
      outbox_.report(OfferedRules{rules_.id(), rules_.take(), chunk.shadow()});
  }

  Outbox& outbox_;
  RuleBundleAssembly rules_;
  grpc::ClientContext context_;
  v1::ConnectRequest outgoing_;
  v1::ConnectResponse incoming_;
};

class GrpcStreamFactory final : public StreamFactory {
 public:
  GrpcStreamFactory(const std::string& address, const TlsFiles& files,
                    const std::string& server_id) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Where alerts go is written in the configuration, not in the environment or the DNS.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    // Our own back-off decides when to try again; gRPC's must not hide a collector that is back.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    // Despite its name how long an attempt may take, with the TLS handshake of a far or busy
    // collector: https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
    channel_ = grpc::CreateCustomChannel(address, channel_credentials(files, server_id), arguments);
    stub_ = v1::AgentService::NewStub(channel_);
  }
  std::unique_ptr<Stream> connect(Outbox& outbox) override {
    return std::make_unique<GrpcStream>(*stub_, outbox);
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
};

}  // namespace

std::unique_ptr<StreamFactory> grpc_stream_factory(const std::string& address,
                                                   const TlsFiles& files,
                                                   const std::string& server_id) {
  return std::make_unique<GrpcStreamFactory>(address, files, server_id);
}

}  // namespace picket
