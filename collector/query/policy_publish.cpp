#include "collector/query/policy_publish.h"

#include <utility>

#include "collector/query/grpc_status.h"

namespace picket {

PolicyPublish::PolicyPublish(QueryContext& context, const Caller& caller,
                             const grpc::Status& denied, v1::PublishPolicyResponse& response)
    : context_(context), response_(response) {
  published_.actor = caller.actor();
  published_.source = caller.source;
  if (denied.ok()) {
    StartRead(&request_);
    return;
  }
  refuse(absl::Status(static_cast<absl::StatusCode>(denied.error_code()), denied.error_message()));
}

void PolicyPublish::OnReadDone(bool ok) {
  if (ok) return on_request(request_);
  if (complete_) return put_in_place();
  refuse(absl::InvalidArgumentError("the bundle of rules did not arrive as a whole"));
}

void PolicyPublish::on_request(const v1::PublishPolicyRequest& request) {
  if (!request.reason().empty()) published_.reason = request.reason();
  const auto whole = assembly_.add(request.chunk());
  if (!whole.ok()) return refuse(whole.status());
  complete_ = *whole;
  StartRead(&request_);
}

void PolicyPublish::put_in_place() {
  published_.bundle = assembly_.take();
  const auto work = [this] {
    auto result = context_.policy.publish(std::move(published_));
    if (result.ok()) response_ = *std::move(result);
    Finish(grpc_status(result.status()));
  };
  if (!context_.workers.post(work)) refuse(absl::ResourceExhaustedError("too many calls wait"));
}

// The audit entry waits for a worker, so that gRPC's thread does not wait for the disk.
void PolicyPublish::refuse(const absl::Status& why) {
  const auto work = [this, why] {
    context_.policy.refuse(published_, why);
    Finish(grpc_status(why));
  };
  if (context_.workers.post(work)) return;
  context_.refusals.add("busy");
  Finish(grpc_status(why));
}

}  // namespace picket
