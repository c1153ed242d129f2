#include "collector/query/operator_service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "collector/auth/access.h"
#include "collector/query/alert_stream.h"
#include "collector/query/answers.h"
#include "collector/query/rules_push.h"
#include "common/tls.h"
#include "picket/v1/operator.grpc.pb.h"

namespace picket {
namespace {

template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(grpc::Status status) { this->Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

class RefusedPush final : public grpc::ServerReadReactor<v1::PushRulesRequest> {
 public:
  explicit RefusedPush(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

std::string_view denial(Access access) {
  switch (access) {
    case Access::command:
      return "may not command";
    case Access::rules:
      return "may not push rules";
    case Access::read:
      break;
  }
  return "is unknown";
}

class OperatorService final : public v1::OperatorService::CallbackService {
  using Call = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

 public:
  explicit OperatorService(QueryContext& context) : context_(context) {}

  grpc::ServerWriteReactor<v1::ListAlertsResponse>* ListAlerts(
      Call* call, const v1::ListAlertsRequest* request) override {
    if (grpc::Status status = check_read(*call); !status.ok()) {
      return new RefusedStream<v1::ListAlertsResponse>(std::move(status));
    }
    return AlertStream<v1::ListAlertsResponse>::begin(*call, source(), request->filter(),
                                                      request->limit(), false);
  }

  grpc::ServerWriteReactor<v1::WatchAlertsResponse>* WatchAlerts(
      Call* call, const v1::WatchAlertsRequest* request) override {
    if (grpc::Status status = check_read(*call); !status.ok()) {
      return new RefusedStream<v1::WatchAlertsResponse>(std::move(status));
    }
    return AlertStream<v1::WatchAlertsResponse>::begin(*call, source(), request->filter(), 0, true);
  }

  Unary* GetAlert(Call* call, const v1::GetAlertRequest* request,
                  v1::GetAlertResponse* response) override {
    return answer(*call, [=, this] { return answer_alert(context_, *request, *response); });
  }
  Unary* ListWorkspaces(Call* call, const v1::ListWorkspacesRequest* request,
                        v1::ListWorkspacesResponse* response) override {
    return answer(*call, [=, this] { return answer_workspaces(context_, *request, *response); });
  }
  Unary* ListAgentSessions(Call* call, const v1::ListAgentSessionsRequest* request,
                           v1::ListAgentSessionsResponse* response) override {
    return answer(*call,
                  [=, this] { return answer_agent_sessions(context_, *request, *response); });
  }
  Unary* ListNodes(Call* call, const v1::ListNodesRequest* request,
                   v1::ListNodesResponse* response) override {
    return answer(*call, [=, this] { return answer_nodes(context_, *request, *response); });
  }
  Unary* GetStatus(Call* call, const v1::GetStatusRequest* /*request*/,
                   v1::GetStatusResponse* response) override {
    return answer(*call, [=, this] { return answer_status(context_, *response); });
  }
  Unary* ListAudit(Call* call, const v1::ListAuditRequest* request,
                   v1::ListAuditResponse* response) override {
    return answer(*call, [=, this] { return answer_audit(context_, *request, *response); });
  }

  Unary* GetRules(Call* call, const v1::GetRulesRequest* /*request*/,
                  v1::GetRulesResponse* response) override {
    return answer(*call, [=, this] { return answer_rules(context_, *response); });
  }

  // What is denied goes on to the audit log, too.
  grpc::ServerReadReactor<v1::PushRulesRequest>* PushRules(
      Call* call, v1::PushRulesResponse* response) override {
    const auto caller = identify(*call);
    if (!caller) return new RefusedPush(no_identity());
    return new RulesPush(context_, caller->uri, check_access(*caller, Access::rules), *response);
  }

  Unary* RunCommand(Call* call, const v1::RunCommandRequest* request,
                    v1::RunCommandResponse* response) override {
    Unary* reactor = call->DefaultReactor();
    const auto caller = identify(*call);
    if (!caller) {
      reactor->Finish(no_identity());
      return reactor;
    }
    // What is denied goes on to the audit log, too.
    CommandRequest command{caller->uri, *request, ""};
    if (grpc::Status status = check_access(*caller, Access::command); !status.ok()) {
      command.denied = status.error_message();
    }
    const auto done = [=](absl::StatusOr<v1::RunCommandResponse> result) {
      if (result.ok()) *response = *std::move(result);
      reactor->Finish(grpc_status(result.status()));
    };
    if (!context_.commands.submit(std::move(command), done)) {
      context_.refusals.add("busy");
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many commands are waiting"});
    }
    return reactor;
  }

 private:
  AlertStreamSource source() const { return {context_.store, context_.feed, context_.workers}; }

  std::optional<PeerIdentity> identify(const Call& call) const {
    auto peer = peer_identity(call, context_.trust_domain);
    if (!peer) context_.refusals.add("no_identity");
    return peer;
  }

  grpc::Status no_identity() const {
    return {grpc::StatusCode::UNAUTHENTICATED,
            fmt::format("the certificate has not exactly one URI name, a SPIFFE id of {}",
                        context_.trust_domain)};
  }

  grpc::Status check_access(const PeerIdentity& caller, Access access) const {
    if (caller.kind != PeerIdentity::Kind::operator_) {
      context_.refusals.add("not_an_operator");
      spdlog::warn("{} refused: it is not an operator", caller.uri);
      return {grpc::StatusCode::PERMISSION_DENIED,
              fmt::format("{} is not an operator", caller.uri)};
    }
    if (allows(caller.role, access)) return grpc::Status::OK;
    const std::string_view why = denial(access);
    context_.refusals.add("role_denied");
    spdlog::warn("{} refused: its role {}", caller.uri, why);
    return {grpc::StatusCode::PERMISSION_DENIED, fmt::format("the role of {} {}", caller.uri, why)};
  }

  grpc::Status check_read(const Call& call) const {
    const auto caller = identify(call);
    return caller ? check_access(*caller, Access::read) : no_identity();
  }

  // Request and response live until Finish.
  template <class Work>
  Unary* answer(Call& call, Work work) {
    Unary* reactor = call.DefaultReactor();
    if (grpc::Status status = check_read(call); !status.ok()) {
      reactor->Finish(std::move(status));
      return reactor;
    }
    if (!context_.workers.post([=] { reactor->Finish(grpc_status(work())); })) {
      context_.refusals.add("busy");
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many queries are waiting"});
    }
    return reactor;
  }

  QueryContext& context_;
};

}  // namespace

std::unique_ptr<grpc::Service> operator_service(QueryContext& context) {
  return std::make_unique<OperatorService>(context);
}

}  // namespace picket
