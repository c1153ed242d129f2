#include "collector/ingest/agent_service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "common/tls.h"
#include "picket/v1/agent.grpc.pb.h"

namespace picket {
namespace {

class RefusedStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RefusedStream(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

class AgentService final
    : public v1::AgentService::WithRawCallbackMethod_Connect<v1::AgentService::Service> {
 public:
  AgentService(IngestContext& context, std::string trust_domain)
      : context_(context), trust_domain_(std::move(trust_domain)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Connect(
      grpc::CallbackServerContext* call) override {
    const auto peer = peer_identity(*call, trust_domain_);
    if (!peer) {
      context_.refusals.add("no_identity");
      spdlog::warn("{} refused: its certificate has not exactly one URI name, a SPIFFE id of {}",
                   call->peer(), trust_domain_);
      return new RefusedStream(
          {grpc::StatusCode::UNAUTHENTICATED,
           fmt::format("the certificate has not exactly one URI name, a SPIFFE id of {}",
                       trust_domain_)});
    }
    if (peer->kind != PeerIdentity::Kind::node) {
      context_.refusals.add("not_a_node");
      spdlog::warn("{} refused: it is not a node", peer->uri);
      return new RefusedStream(
          {grpc::StatusCode::PERMISSION_DENIED, fmt::format("{} is not a node", peer->uri)});
    }
    return AgentStream::begin(context_, peer->uri);
  }

 private:
  IngestContext& context_;
  const std::string trust_domain_;
};

}  // namespace

std::unique_ptr<grpc::Service> agent_service(IngestContext& context, std::string trust_domain) {
  return std::make_unique<AgentService>(context, std::move(trust_domain));
}

}  // namespace picket
