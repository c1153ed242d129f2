// The living processes of a workspace as the agent knows them, apart by whether they descend from
// one process: /proc forgets the lineage of whoever outlived its parent, the agent does not. Plain
// values, any thread. Errors: of AskFamily: an answer that does not come in time is
// DeadlineExceeded.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/respond/verdict.h"

namespace picket {

struct Family {
  std::vector<ProcessKey> descendants, others;
};

// Knows all that was forked before the call. Waits for the pipeline: of the responder thread.
using AskFamily = std::function<absl::StatusOr<Family>(const Target&)>;

}  // namespace picket
