// An agent as the collector sees one: a certificate, a stream, sequences. The test says every
// message. Owner: one thread. Errors: a stream that has ended answers false or nullopt; finish()
// says why.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "collector/store/store.h"
#include "common/tls_files.h"
#include "picket/v1/agent.grpc.pb.h"

namespace picket::test {

class SimulatedAgent {
 public:
  SimulatedAgent(int port, const TlsFiles& files);
  ~SimulatedAgent();  // as a crash: without a word

  // The collector's answer: the last sequence it has of `epoch`.
  std::optional<uint64_t> hello(const std::string& epoch = "epoch-1");
  bool say(const v1::ConnectRequest& message);
  bool send(const NodeBatch& batch);  // its node and epoch are only for the reader of the test
  std::optional<v1::ConnectResponse> receive();
  // Acknowledgements until `sequence` is among them; false: the stream ended first.
  bool wait_for_ack(uint64_t sequence);
  std::optional<v1::Command> wait_for_command();
  grpc::Status finish();  // ends the stream in good order

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> stream_;
};

// Sends `bytes` as if they were a message, and says how the collector ended the stream.
grpc::Status send_garbage(int port, const TlsFiles& files, const std::string& bytes,
                          bool compressed = false);

}  // namespace picket::test
