#include "agent/uplink/stream.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <thread>
#include <utility>

#include "common/tls.h"
#include "picket/v1/agent.grpc.pb.h"

namespace picket {
namespace {

// The call ends when nothing asked of it is outstanding and its status is known. Everything that
// comes back does so on the one thread of the queue; write() and release() come from the uplink's.
class GrpcStream final : public Stream {
 public:
  GrpcStream(std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue& queue, Outbox& outbox)
      : outbox_(outbox),
        channel_(std::move(channel)),
        call_(v1::AgentService::NewStub(channel_)->AsyncConnect(&context_, &queue, &started_)) {}

  void write(const v1::ConnectRequest& request) override { call_->Write(request, ask(written_)); }
  void cancel() override { context_.TryCancel(); }
  void release() override { call_->Finish(&status_, ask(finished_)); }

  // Its address is the tag of what was asked.
  struct Operation {
    GrpcStream* stream;
    void (GrpcStream::*done)(bool ok);
  };
  static void on_tag(void* tag, bool ok) {
    const auto& operation = *static_cast<const Operation*>(tag);
    operation.stream->on_done(operation, ok);
  }

 private:
  Operation* ask(Operation& operation) {
    outstanding_.fetch_add(1, std::memory_order_relaxed);
    return &operation;
  }
  void on_done(const Operation& operation, bool ok) {
    (this->*operation.done)(ok);
    if (outstanding_.fetch_sub(1, std::memory_order_relaxed) > 1 || !is_finished_) return;
    outbox_.report(StreamDone{
        fmt::format("{} ({})", status_.error_message(), static_cast<int>(status_.error_code()))});
  }

  void on_started(bool) { call_->Read(&incoming_, ask(read_)); }
  void on_written(bool ok) {
    if (ok) outbox_.report(StreamWritten{});  // a failed write is followed by a failed read
  }
  void on_read(bool ok) {
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
      case v1::ConnectResponse::MESSAGE_NOT_SET:
        break;  // a newer collector's message: not for us
    }
    call_->Read(&incoming_, ask(read_));
  }
  void on_finished(bool) { is_finished_ = true; }

  Operation started_{this, &GrpcStream::on_started}, written_{this, &GrpcStream::on_written},
      read_{this, &GrpcStream::on_read}, finished_{this, &GrpcStream::on_finished};
  std::atomic<int> outstanding_{1};  // the start
  bool is_finished_ = false;

  Outbox& outbox_;
  grpc::ClientContext context_;
  grpc::Status status_;
  v1::ConnectResponse incoming_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> call_;
};

// One queue and one thread, which sleeps until something happens: the library's own for the
// callback API look around twice a second, on each second CPU of the machine.
class GrpcStreamFactory final : public StreamFactory {
 public:
  GrpcStreamFactory(std::string address, TlsFiles files, std::string server_id)
      : address_(std::move(address)), files_(std::move(files)), server_id_(std::move(server_id)) {
    arguments_.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    arguments_.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    arguments_.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Where alerts go is written in the configuration, not in the environment or the DNS.
    arguments_.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments_.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    // Our own back-off decides when to try again. gRPC's only bounds how long one try may take.
    arguments_.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
    arguments_.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    thread_ = std::thread([this] { run(); });
  }
  ~GrpcStreamFactory() override {
    queue_.Shutdown();
    thread_.join();
  }

  std::unique_ptr<Stream> connect(Outbox& outbox) override {
    if (auto now = read_files(files_); now.ok()) texts_ = *std::move(now);
    return std::make_unique<GrpcStream>(
        grpc::CreateCustomChannel(address_, channel_credentials(texts_, server_id_), arguments_),
        queue_, outbox);
  }

 private:
  void run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) GrpcStream::on_tag(tag, ok);
  }

  const std::string address_;
  const TlsFiles files_;
  const std::string server_id_;
  TlsTexts texts_;  // the last that were usable
  grpc::ChannelArguments arguments_;
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<StreamFactory> grpc_stream_factory(const std::string& address,
                                                   const TlsFiles& files,
                                                   const std::string& server_id) {
  return std::make_unique<GrpcStreamFactory>(address, files, server_id);
}

}  // namespace picket
