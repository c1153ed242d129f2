// One node's stream: hello, then batches, each acknowledged after its commit; commands, waivers and
// bundles of rules go the other way, these in parts behind everything else. Messages are decoded
// here and not by gRPC, so that garbage is counted and named. Owner: gRPC, until OnDone; the writer
// and the registry hold shares. State is behind one mutex, because gRPC, the writer and the
// commands' thread all speak to a stream. Errors: the stream is finished with the reason, counted;
// the agent keeps what was not acknowledged and comes back.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "collector/auth/refusals.h"
#include "collector/fleet/node_registry.h"
#include "collector/fleet/policy_distribution.h"
#include "collector/store/writer.h"
#include "picket/v1/agent.pb.h"

namespace picket {

// What every stream works with; outlives them all.
struct IngestContext {
  Writer& writer;
  NodeRegistry& nodes;
  PolicyDistribution& policy;
  Refusals& refusals;
};

class AgentStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public AgentLink,
                          public std::enable_shared_from_this<AgentStream> {
 public:
  // gRPC owns the returned reactor.
  static AgentStream* begin(IngestContext& context, std::string node);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  bool deliver(const v1::Command& command) override;
  void offer(std::shared_ptr<const RuleBundle> bundle, bool shadow) override;
  void offer(std::shared_ptr<const v1::WaiverSet> waivers) override;
  void close(std::string_view why) override;

 private:
  AgentStream(IngestContext& context, std::string node)
      : context_(context), node_(std::move(node)) {}

  // With the mutex held.
  void on_message(v1::ConnectRequest message);
  void on_silence();
  void on_hello(v1::Hello hello);
  void on_batch(v1::Batch batch);
  void on_greeted(const absl::StatusOr<Greeting>& known);
  void on_committed(const absl::StatusOr<uint64_t>& last);
  void refuse(std::string_view reason, grpc::StatusCode code, const std::string& words);
  void finish(grpc::Status status);
  void read_on();
  void write_on();
  void send_rules(std::shared_ptr<const RuleBundle> bundle, bool shadow);
  bool next_message(v1::ConnectResponse& message);

  IngestContext& context_;
  const std::string node_;

  std::mutex mutex_;
  std::shared_ptr<AgentStream> self_;  // gRPC's share
  std::optional<v1::Hello> hello_;
  grpc::Alarm hello_due_;
  bool greeted_ = false;
  uint64_t last_received_ = 0;
  size_t uncommitted_ = 0;  // batches handed to the writer
  bool reading_ = false, writing_ = false;
  bool finished_ = false;               // no further read or write may start
  std::optional<grpc::Status> ending_;  // waits for the write on its way
  grpc::ByteBuffer in_, out_;
  std::optional<uint64_t> ack_;  // acknowledgements that wait become one
  std::deque<v1::Command> commands_;
  std::shared_ptr<const RuleBundle> bundle_;  // on its way
  bool bundle_shadow_ = false;
  size_t bundle_sent_ = 0;                        // bytes of it
  std::shared_ptr<const v1::WaiverSet> waivers_;  // waits to be sent
};

}  // namespace picket
