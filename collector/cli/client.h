// One collector's API for picketctl's commands: one call each, blocking, without gRPC types. Owner:
// the thread that asks this collector. Errors: the collector's own status; Unavailable means that
// it was not reached, DeadlineExceeded that it did not answer in time, and Cancelled is ours.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/cli/context.h"
#include "picket/v1/operator.pb.h"

namespace picket {

class Client {
 public:
  using OnAlert = std::function<bool(const v1::Alert&)>;  // false: enough
  using OnWatched = std::function<bool(const v1::WatchAlertsResponse&)>;

  explicit Client(const CliContext& context);
  ~Client();

  const std::string& region() const;
  // Ends the call that runs and all later ones. Any thread.
  void cancel();

  absl::Status list_alerts(const v1::ListAlertsRequest& request, const OnAlert& on_alert);
  // Until the collector or `on_alert` ends it. `on_watching` is called when nothing can be missed
  // any more.
  absl::Status watch_alerts(const v1::WatchAlertsRequest& request,
                            const std::function<void()>& on_watching, const OnWatched& on_alert);
  absl::StatusOr<v1::Alert> alert(const std::string& id);
  absl::StatusOr<v1::ListWorkspacesResponse> workspaces(const std::string& workspace);
  absl::StatusOr<v1::ListAgentSessionsResponse> agent_sessions(
      const v1::ListAgentSessionsRequest& request);
  absl::StatusOr<v1::ListNodesResponse> nodes(uint32_t gaps = 0);
  absl::StatusOr<v1::GetStatusResponse> status();
  absl::StatusOr<v1::RunCommandResponse> run(const v1::RunCommandRequest& request);
  // `bundle`: a serialized v1::RuleBundle.
  absl::StatusOr<v1::PublishPolicyResponse> publish_policy(const std::string& bundle,
                                                           const std::string& reason);
  absl::StatusOr<v1::ChangePolicyResponse> change_policy(const v1::ChangePolicyRequest& request);
  absl::StatusOr<v1::GetPolicyResponse> policy(const std::string& version = "");
  absl::StatusOr<v1::ListAuditResponse> audit(const v1::ListAuditRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace picket
