// What a finding calls for. Pure: no clock, no system, no state; any thread.
// Nothing fails: a finding that asks for nothing, or names no watched workspace, gives
// Action::none.
#pragma once

#include "agent/respond/verdict.h"

namespace picket {

struct ResponsePolicyOptions {
  bool enabled = true;
  bool dry_run = false;  // verdicts are made, carried out by nobody, and reported
};

class ResponsePolicy {
 public:
  explicit ResponsePolicy(ResponsePolicyOptions options = {}) : options_(options) {}
  Verdict decide(const Finding& finding, const Workspace& workspace) const;

 private:
  ResponsePolicyOptions options_;
};

}  // namespace picket
