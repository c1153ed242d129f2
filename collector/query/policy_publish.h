// One call of PublishPolicy: the parts of a bundle come in, the answer goes out. Owner: gRPC, until
// OnDone; the worker that puts the bundle in its place answers before that. Errors: end the call
// with the reason; who may not publish is refused without his bundle being read.
#pragma once

#include <grpcpp/grpcpp.h>

#include "collector/query/query_context.h"
#include "common/rule_bundle.h"

namespace picket {

class PolicyPublish final : public grpc::ServerReadReactor<v1::PublishPolicyRequest> {
 public:
  // `denied`: not OK when the caller may not; only audited. `response` lives until Finish.
  PolicyPublish(QueryContext& context, const Caller& caller, const grpc::Status& denied,
                v1::PublishPolicyResponse& response);

  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void on_request(const v1::PublishPolicyRequest& request);
  void put_in_place();
  void refuse(const absl::Status& why);

  QueryContext& context_;
  v1::PublishPolicyResponse& response_;
  PolicyPublished published_;
  RuleBundleAssembly assembly_;
  v1::PublishPolicyRequest request_;
  bool complete_ = false;
};

}  // namespace picket
