#include "collector/query/unread_calls.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <string>
#include <string_view>

#include "common/tls.h"
#include "picket/v1/operator.grpc.pb.h"

namespace picket {
namespace {

namespace experimental = grpc::experimental;
using Info = experimental::ServerRpcInfo;

class UnreadCall final : public experimental::Interceptor {
 public:
  UnreadCall(QueryContext& context, std::atomic<bool>& entry_waits, Info& call)
      : context_(context), entry_waits_(entry_waits), call_(call) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    using Point = experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() == nullptr) {
      is_unread_ = true;
      tell();
    }
    if (is_unread_ && methods->QueryInterceptionHookPoint(Point::PRE_SEND_STATUS))
      methods->ModifySendStatus(
          {grpc::StatusCode::INVALID_ARGUMENT, "the request is no message of this call"});
    methods->Proceed();
  }

 private:
  void tell() {
    context_.refusals.add("garbage");
    if (entry_waits_.exchange(true)) return;
    Caller caller{{}, call_.server_context()->peer(), {}};
    if (auto peer = peer_identity(*call_.server_context(), context_.trust_domain))
      caller.identity = *std::move(peer);
    const auto work = [&context = context_, &entry_waits = entry_waits_, caller,
                       method = std::string(call_.method())] {
      entry_waits = false;
      const absl::Status entered =
          context.trail.add(caller, "call", method, "refused: the request is no message");
      if (!entered.ok())
        spdlog::error("{} of {} could not be audited: {}", method, caller.actor(),
                      entered.ToString());
    };
    if (context_.workers.post(work)) return;
    entry_waits_ = false;
    context_.refusals.add("busy");
  }

  QueryContext& context_;
  std::atomic<bool>& entry_waits_;
  Info& call_;
  bool is_unread_ = false;
};

class UnreadCalls final : public experimental::ServerInterceptorFactoryInterface {
 public:
  explicit UnreadCalls(QueryContext& context) : context_(context) {}

  // Streams of requests have handlers from their first byte on.
  experimental::Interceptor* CreateServerInterceptor(Info* call) override {
    const bool asks_once =
        call->type() == Info::Type::UNARY || call->type() == Info::Type::SERVER_STREAMING;
    const std::string service = std::string("/") + v1::OperatorService::service_full_name() + "/";
    if (!asks_once || !std::string_view(call->method()).starts_with(service)) return nullptr;
    return new UnreadCall(context_, entry_waits_, *call);
  }

 private:
  QueryContext& context_;
  std::atomic<bool> entry_waits_ = false;
};

}  // namespace

std::unique_ptr<experimental::ServerInterceptorFactoryInterface> unread_calls(
    QueryContext& context) {
  return std::make_unique<UnreadCalls>(context);
}

}  // namespace picket
