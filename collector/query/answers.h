// What the unary calls answer, without gRPC: reads the store and the live state. Runs on the
// workers. Errors: statuses for the caller, in words; PermissionDenied is what lies outside of its
// scope.
#pragma once

#include "collector/query/query_context.h"
#include "picket/v1/operator.pb.h"

namespace picket {

absl::Status answer_alert(const QueryContext& context, const Caller& caller,
                          const v1::GetAlertRequest& request, v1::GetAlertResponse& response);
absl::Status answer_workspaces(const QueryContext& context, const Caller& caller,
                               const v1::ListWorkspacesRequest& request,
                               v1::ListWorkspacesResponse& response);
absl::Status answer_agent_sessions(const QueryContext& context, const Caller& caller,
                                   const v1::ListAgentSessionsRequest& request,
                                   v1::ListAgentSessionsResponse& response);
absl::Status answer_nodes(const QueryContext& context, const v1::ListNodesRequest& request,
                          v1::ListNodesResponse& response);
absl::Status answer_policy(const QueryContext& context, const v1::GetPolicyRequest& request,
                           v1::GetPolicyResponse& response);
absl::Status answer_status(const QueryContext& context, v1::GetStatusResponse& response);
absl::Status answer_audit(const QueryContext& context, const v1::ListAuditRequest& request,
                          v1::ListAuditResponse& response);

}  // namespace picket
