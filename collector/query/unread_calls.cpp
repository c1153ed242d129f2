#include "collector/query/unread_calls.h"

#include <spdlog/spdlog.h>

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
  UnreadCall(QueryContext& context, Info& call) : context_(context), call_(call) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    using Point = experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() == nullptr)
      tell();
    methods->Proceed();
  }

 private:
  void tell() {
    context_.refusals.add("garbage");
    Caller caller{{}, call_.server_context()->peer(), {}};
    if (auto peer = peer_identity(*call_.server_context(), context_.trust_domain))
      caller.identity = *std::move(peer);
    const auto work = [&context = context_, caller, method = std::string(call_.method())] {
      const absl::Status entered =
          context.trail.add(caller, "call", method, "refused: the request is no message");
      if (!entered.ok())
        spdlog::error("{} of {} could not be audited: {}", method, caller.actor(),
                      entered.ToString());
    };
    if (!context_.workers.post(work)) context_.refusals.add("busy");
  }

  QueryContext& context_;
  Info& call_;
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
    return new UnreadCall(context_, *call);
  }

 private:
  QueryContext& context_;
};

}  // namespace

std::unique_ptr<experimental::ServerInterceptorFactoryInterface> unread_calls(
    QueryContext& context) {
  return std::make_unique<UnreadCalls>(context);
}

}  // namespace picket
