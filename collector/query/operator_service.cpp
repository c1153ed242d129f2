#include "collector/query/operator_service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>

#include "collector/auth/access.h"
#include "collector/query/alert_stream.h"
#include "collector/query/answers.h"
#include "collector/query/policy_publish.h"
#include "common/alert_json.h"
#include "common/tls.h"
#include "picket/v1/operator.grpc.pb.h"

namespace picket {
namespace {

// Of one operator at a time, however many connections it opens.
constexpr size_t kMaxWatches = 16;

// The worker that writes the audit entry finishes it.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  void OnDone() override { delete this; }
};

std::string_view denial(Access access) {
  switch (access) {
    case Access::command:
      return "may not command";
    case Access::rules:
      return "may not change the policy";
    case Access::investigate:
      return "may not look into sessions or the audit log";
    case Access::read:
      break;
  }
  return "is unknown";
}

std::string words(const v1::AlertFilter& filter) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  add("workspace", filter.workspace());
  add("rule", filter.rule());
  add("incident", filter.incident());
  if (filter.has_since()) add("since", time_text(filter.since()));
  return text.empty() ? "all" : text;
}

// What is asked, as the audit log tells it.
struct Asked {
  Access access;
  std::string action, object;
  bool evidence = false;  // reading it is an entry, too; being refused always is
};

class OperatorService final : public v1::OperatorService::CallbackService {
  using Call = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

 public:
  explicit OperatorService(QueryContext& context) : context_(context) {}

  grpc::ServerWriteReactor<v1::ListAlertsResponse>* ListAlerts(
      Call* call, const v1::ListAlertsRequest* request) override {
    return alerts<v1::ListAlertsResponse>(*call, "alerts.list", request->filter(), request->limit(),
                                          false);
  }
  grpc::ServerWriteReactor<v1::WatchAlertsResponse>* WatchAlerts(
      Call* call, const v1::WatchAlertsRequest* request) override {
    std::optional<uint64_t> after;
    if (request->has_after()) after = request->after();
    return alerts<v1::WatchAlertsResponse>(*call, "alerts.watch", request->filter(), 0, true,
                                           after);
  }

  Unary* GetAlert(Call* call, const v1::GetAlertRequest* request,
                  v1::GetAlertResponse* response) override {
    return answer(*call, {Access::read, "alerts.show", request->id(), true},
                  [=, this](const Caller& caller) {
                    return answer_alert(context_, caller, *request, *response);
                  });
  }
  Unary* ListWorkspaces(Call* call, const v1::ListWorkspacesRequest* request,
                        v1::ListWorkspacesResponse* response) override {
    return answer(*call, {Access::read, "workspace.list", request->workspace()},
                  [=, this](const Caller& caller) {
                    return answer_workspaces(context_, caller, *request, *response);
                  });
  }
  Unary* ListAgentSessions(Call* call, const v1::ListAgentSessionsRequest* request,
                           v1::ListAgentSessionsResponse* response) override {
    return answer(*call, {Access::investigate, "agent.sessions", request->session(), true},
                  [=, this](const Caller& caller) {
                    return answer_agent_sessions(context_, caller, *request, *response);
                  });
  }
  Unary* ListNodes(Call* call, const v1::ListNodesRequest* request,
                   v1::ListNodesResponse* response) override {
    return answer(*call, {Access::read, "nodes.list", ""}, [=, this](const Caller& /*caller*/) {
      return answer_nodes(context_, *request, *response);
    });
  }
  Unary* GetStatus(Call* call, const v1::GetStatusRequest* /*request*/,
                   v1::GetStatusResponse* response) override {
    return answer(*call, {Access::read, "status.show", ""}, [=, this](const Caller& /*caller*/) {
      return answer_status(context_, *response);
    });
  }
  Unary* ListAudit(Call* call, const v1::ListAuditRequest* request,
                   v1::ListAuditResponse* response) override {
    const std::string object =
        request->has_after() ? fmt::format("behind {}", request->after()) : "the newest";
    return answer(
        *call, {Access::investigate, "audit.list", object, true}, [=, this](const Caller& caller) {
          if (!caller.scope.namespaces.empty())
            return absl::PermissionDeniedError(
                fmt::format("{} is limited to namespaces, and the audit log is of all of them",
                            caller.identity.uri));
          return answer_audit(context_, *request, *response);
        });
  }
  Unary* GetPolicy(Call* call, const v1::GetPolicyRequest* request,
                   v1::GetPolicyResponse* response) override {
    return answer(*call, {Access::read, "policy.status", request->version()},
                  [=, this](const Caller& /*caller*/) {
                    return answer_policy(context_, *request, *response);
                  });
  }

  // What is denied goes on to the audit log, too.
  grpc::ServerReadReactor<v1::PublishPolicyRequest>* PublishPolicy(
      Call* call, v1::PublishPolicyResponse* response) override {
    const Caller caller = identify(*call);
    return new PolicyPublish(context_, caller, check(caller, Access::rules), *response);
  }
  Unary* ChangePolicy(Call* call, const v1::ChangePolicyRequest* request,
                      v1::ChangePolicyResponse* response) override {
    Unary* reactor = call->DefaultReactor();
    const Caller caller = identify(*call);
    const PolicyChange change{caller.actor(), *request, caller.source};
    const grpc::Status denied = check(caller, Access::rules);
    const auto work = [=, this] {
      if (!denied.ok()) {
        context_.policy.refuse(change, absl::PermissionDeniedError(denied.error_message()));
        return reactor->Finish(denied);
      }
      auto changed = context_.policy.change(change);
      if (changed.ok()) *response = *std::move(changed);
      reactor->Finish(grpc_status(changed.status()));
    };
    if (!context_.workers.post(work)) {
      context_.refusals.add("busy");
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls are waiting"});
    }
    return reactor;
  }

  Unary* RunCommand(Call* call, const v1::RunCommandRequest* request,
                    v1::RunCommandResponse* response) override {
    Unary* reactor = call->DefaultReactor();
    const Caller caller = identify(*call);
    // What is denied goes on to the audit log, too.
    CommandRequest command{caller.actor(), *request, "", caller.source, caller.scope.namespaces};
    const grpc::Status denied = check(caller, Access::command);
    command.denied = denied.error_message();
    const auto done = [=](absl::StatusOr<v1::RunCommandResponse> result) {
      if (result.ok()) *response = *std::move(result);
      reactor->Finish(denied.ok() ? grpc_status(result.status()) : denied);
    };
    if (!context_.commands.submit(std::move(command), done)) {
      context_.refusals.add("busy");
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many commands are waiting"});
    }
    return reactor;
  }

 private:
  // Who has no name of ours is refused by check().
  Caller identify(const Call& call) const {
    Caller caller{{}, call.peer(), {}};
    if (auto peer = peer_identity(call, context_.trust_domain)) caller.identity = *std::move(peer);
    const auto scope = context_.scopes.find(caller.identity.uri);
    if (scope != context_.scopes.end()) caller.scope = scope->second;
    return caller;
  }

  grpc::Status deny(const Caller& caller, const char* reason, std::string why) const {
    context_.refusals.add(reason);
    spdlog::warn("{} at {} refused: {}", caller.identity.uri, caller.source, why);
    return {grpc::StatusCode::PERMISSION_DENIED, std::move(why)};
  }

  grpc::Status check(const Caller& caller, Access access) const {
    const std::string& uri = caller.identity.uri;
    if (uri.empty()) {
      context_.refusals.add("no_identity");
      return {grpc::StatusCode::UNAUTHENTICATED,
              fmt::format("the certificate has not exactly one URI name, a SPIFFE id of {}",
                          context_.trust_domain)};
    }
    if (caller.identity.kind != PeerIdentity::Kind::operator_)
      return deny(caller, "not_an_operator", fmt::format("{} is not an operator", uri));
    if (!allows(caller.identity.role, access))
      return deny(caller, "role_denied", fmt::format("the role of {} {}", uri, denial(access)));
    const Scope& scope = caller.scope;
    if (!scope.clusters.empty() &&
        std::ranges::find(scope.clusters, context_.cluster) == scope.clusters.end())
      return deny(caller, "scope_denied",
                  fmt::format("{} has no rights in cluster \"{}\"", uri, context_.cluster));
    if (access == Access::rules && !scope.namespaces.empty())
      return deny(
          caller, "scope_denied",
          fmt::format("{} is limited to namespaces, and the policy is for all of them", uri));
    return grpc::Status::OK;
  }

  // The entry waits for a worker, so that gRPC's thread does not wait for the disk.
  void refuse(const Caller& caller, const Asked& asked, const grpc::Status& why,
              const std::function<void()>& finish) const {
    const auto work = [=, this] {
      (void)audit(caller, asked, "refused: " + why.error_message());
      finish();
    };
    if (context_.workers.post(work)) return;
    context_.refusals.add("busy");
    spdlog::error("a refusal of {} found no room in the audit log: {}", caller.actor(),
                  why.error_message());
    finish();
  }

  absl::Status audit(const Caller& caller, const Asked& asked, const std::string& outcome) const {
    absl::Status status = context_.trail.add(caller, asked.action, asked.object, outcome);
    if (!status.ok())
      spdlog::error("{} of {} could not be audited: {}", asked.action, caller.actor(),
                    status.ToString());
    return status;
  }

  template <class Response>
  grpc::ServerWriteReactor<Response>* alerts(Call& call, std::string action,
                                             const v1::AlertFilter& filter, uint64_t limit,
                                             bool watch,
                                             std::optional<uint64_t> after = std::nullopt) {
    const Caller caller = identify(call);
    const Asked asked{Access::read, std::move(action), words(filter), true};
    grpc::Status status = check(caller, asked.access);
    if (status.ok() && watch && context_.feed.subscribers_of(caller.actor()) >= kMaxWatches) {
      context_.refusals.add("too_many_watches");
      status = {grpc::StatusCode::RESOURCE_EXHAUSTED,
                fmt::format("{} watches {} times already", caller.actor(), kMaxWatches)};
    }
    if (!status.ok()) {
      auto* reactor = new RefusedStream<Response>;
      refuse(caller, asked, status, [=] { reactor->Finish(status); });
      return reactor;
    }
    const AlertStreamSource source{context_.store,
                                   context_.feed,
                                   context_.workers,
                                   caller.scope.namespaces,
                                   [=, this] { return audit(caller, asked, "allowed"); },
                                   caller.actor()};
    return AlertStream<Response>::begin(call, source, filter, limit, watch, after);
  }

  // Request and response live until Finish.
  template <class Work>
  Unary* answer(Call& call, Asked asked, Work work) {
    Unary* reactor = call.DefaultReactor();
    const Caller caller = identify(call);
    if (const grpc::Status status = check(caller, asked.access); !status.ok()) {
      refuse(caller, asked, status, [=] { reactor->Finish(status); });
      return reactor;
    }
    const auto done = [=, this] {
      absl::Status status = work(caller);
      if (absl::IsPermissionDenied(status)) {
        context_.refusals.add("scope_denied");
        (void)audit(caller, asked, "refused: " + std::string(status.message()));
      } else if (asked.evidence) {
        // Nothing leaves before the entry is there.
        absl::Status entered = audit(caller, asked, status.ok() ? "allowed" : "not answered");
        if (!entered.ok()) status = std::move(entered);
      }
      reactor->Finish(grpc_status(status));
    };
    if (!context_.workers.post(done)) {
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
