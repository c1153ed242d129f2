#include "tests/fleet/simulated_agent.h"

#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <future>

#include "common/tls.h"
#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

constexpr char kServer[] = "spiffe://picket/collector/collector";

std::shared_ptr<grpc::Channel> connect(int port, const TlsFiles& files) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection for each agent
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                   channel_credentials(files, kServer), arguments);
}

class GarbageCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  GarbageCall(int port, const TlsFiles& files, const std::string& bytes, bool compressed)
      : stub_(connect(port, files)), slice_(bytes), out_(&slice_, 1) {
    context_.set_deadline(std::chrono::system_clock::now() + kDeadline);
    if (compressed) context_.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    stub_.PrepareBidiStreamingCall(&context_, "/picket.v1.AgentService/Connect", {}, this);
    StartWrite(&out_);
    StartRead(&in_);
    StartCall();
  }
  void OnDone(const grpc::Status& status) override { ended_.set_value(status); }
  grpc::Status wait() { return ended_.get_future().get(); }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::Slice slice_;
  grpc::ByteBuffer out_, in_;
  std::promise<grpc::Status> ended_;
};

}  // namespace

SimulatedAgent::SimulatedAgent(int port, const TlsFiles& files)
    : channel_(connect(port, files)), stub_(v1::AgentService::NewStub(channel_)) {
  context_.set_wait_for_ready(true);
  context_.set_deadline(std::chrono::system_clock::now() + kDeadline);
  stream_ = stub_->Connect(&context_);
}

SimulatedAgent::~SimulatedAgent() {
  if (!stream_) return;
  context_.TryCancel();
  stream_->Finish();
}

bool SimulatedAgent::say(const v1::ConnectRequest& message) { return stream_->Write(message); }

std::optional<uint64_t> SimulatedAgent::hello(const std::string& epoch) {
  v1::ConnectRequest message;
  message.mutable_hello()->set_epoch(epoch);
  message.mutable_hello()->set_agent_version("0.1.0");
  message.mutable_hello()->set_kernel("6.12.0");
  if (!say(message)) return std::nullopt;
  const auto answer = receive();
  if (!answer || !answer->has_ack()) return std::nullopt;
  return answer->ack().sequence();
}

bool SimulatedAgent::send(const NodeBatch& batch) {
  v1::ConnectRequest message;
  *message.mutable_batch() = batch.batch;
  return say(message);
}

std::optional<v1::ConnectResponse> SimulatedAgent::receive() {
  v1::ConnectResponse message;
  if (!stream_->Read(&message)) return std::nullopt;
  return message;
}

bool SimulatedAgent::wait_for_ack(uint64_t sequence) {
  while (const auto message = receive()) {
    if (message->has_ack() && message->ack().sequence() >= sequence) return true;
  }
  return false;
}

std::optional<v1::Command> SimulatedAgent::wait_for_command() {
  while (const auto message = receive()) {
    if (message->has_command()) return message->command();
  }
  return std::nullopt;
}

grpc::Status SimulatedAgent::finish() {
  stream_->WritesDone();
  while (receive()) continue;
  const grpc::Status status = stream_->Finish();
  stream_.reset();
  return status;
}

grpc::Status send_garbage(int port, const TlsFiles& files, const std::string& bytes,
                          bool compressed) {
  return GarbageCall(port, files, bytes, compressed).wait();
}

}  // namespace picket::test
