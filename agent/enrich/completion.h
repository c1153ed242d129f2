// Adds to a workspace what the state file of its runtime did not say. Identity thread. Errors: what
// could not be found out, and why; the workspace stays as it was known, and carries that sentence.
#pragma once

#include "absl/status/status.h"
#include "agent/enrich/workspace.h"

namespace picket {

struct Completion {
  virtual ~Completion() = default;
  // OK as well when there is nothing that it could add.
  virtual absl::Status complete(Workspace& workspace) = 0;
};

}  // namespace picket
