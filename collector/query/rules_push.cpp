#include "collector/query/rules_push.h"

#include <utility>

#include "collector/query/grpc_status.h"

namespace picket {

RulesPush::RulesPush(QueryContext& context, const Caller& caller, const grpc::Status& denied,
                     v1::PushRulesResponse& response)
    : context_(context), response_(response) {
  pushed_.actor = caller.actor();
  pushed_.source = caller.source;
  if (denied.ok()) {
    StartRead(&request_);
    return;
  }
  refuse(absl::Status(static_cast<absl::StatusCode>(denied.error_code()), denied.error_message()));
}

void RulesPush::OnReadDone(bool ok) {
  if (ok) return on_request(request_);
  if (complete_) return put_in_place();
  refuse(absl::InvalidArgumentError("the bundle of rules did not arrive as a whole"));
}

void RulesPush::on_request(const v1::PushRulesRequest& request) {
  if (!request.reason().empty()) pushed_.reason = request.reason();
  const auto whole = assembly_.add(request.chunk());
  if (!whole.ok()) return refuse(whole.status());
  complete_ = *whole;
  StartRead(&request_);
}

void RulesPush::put_in_place() {
  pushed_.bundle = assembly_.take();
  const auto work = [this] {
    auto result = context_.bundles.push(std::move(pushed_));
    if (result.ok()) response_ = *std::move(result);
    Finish(grpc_status(result.status()));
  };
  if (!context_.workers.post(work)) refuse(absl::ResourceExhaustedError("too many calls wait"));
}

// The audit entry waits for a worker, so that gRPC's thread does not wait for the disk.
void RulesPush::refuse(const absl::Status& why) {
  const auto work = [this, why] {
    context_.bundles.refuse(pushed_, why);
    Finish(grpc_status(why));
  };
  if (context_.workers.post(work)) return;
  context_.refusals.add("busy");
  Finish(grpc_status(why));
}

}  // namespace picket
