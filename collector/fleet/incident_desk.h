// What analysts do about incidents, and how long it took: acknowledged, assigned, resolved, opened
// again, each with an entry in the audit log before it happens. change() and refuse() block and
// belong to a worker; on_commit() is a listener of the writer. Errors: refusals in words, and in
// the audit log.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/auth/access.h"
#include "collector/store/store.h"
#include "collector/store/writer.h"
#include "common/clock.h"
#include "common/metrics.h"

namespace picket {

class IncidentDesk {
 public:
  // `registry` asks `store` for the incidents that are open.
  IncidentDesk(const Store& store, Writer& writer, const Clock& clock, MetricRegistry& registry);

  // PermissionDenied: outside of the caller's scope. Aborted: somebody else was first.
  absl::StatusOr<v1::ChangeIncidentResponse> change(const Caller& caller,
                                                    const v1::ChangeIncidentRequest& request);
  // Who may not: only audited.
  void refuse(const Caller& caller, const v1::ChangeIncidentRequest& request,
              const absl::Status& why);
  void on_commit(const CommitOutcome& outcome);

 private:
  absl::Status carry_out(Store& store, const Caller& caller,
                         const v1::ChangeIncidentRequest& request,
                         v1::ChangeIncidentResponse& response);
  void audit_reopened(const IncidentKey& key);

  Writer& writer_;
  const Clock& clock_;
  std::vector<Counter*> violations_;  // by priority
  Histogram& acknowledge_seconds_;
  Histogram& contain_seconds_;
};

}  // namespace picket
