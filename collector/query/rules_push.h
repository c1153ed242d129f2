// One call of PushRules: the parts of a bundle come in, the answer goes out. Owner: gRPC, until
// OnDone; the worker that puts the bundle in its place answers before that. Errors: end the call
// with the reason; who may not push is refused without his bundle being read.
#pragma once

#include <grpcpp/grpcpp.h>

#include "collector/query/query_context.h"
#include "common/rule_bundle.h"

namespace picket {

class RulesPush final : public grpc::ServerReadReactor<v1::PushRulesRequest> {
 public:
  // `denied`: not OK when the caller may not; only audited. `response` lives until Finish.
  RulesPush(QueryContext& context, const Caller& caller, const grpc::Status& denied,
            v1::PushRulesResponse& response);

  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void on_request(const v1::PushRulesRequest& request);
  void put_in_place();
  void refuse(const absl::Status& why);

  QueryContext& context_;
  v1::PushRulesResponse& response_;
  RulesPushed pushed_;
  RuleBundleAssembly assembly_;
  v1::PushRulesRequest request_;
  bool complete_ = false;
};

}  // namespace picket
