// Who read what, and who was turned away: one entry of the audit log for every such call, before it
// is answered. Blocks until the entry is stored, so a worker's. Errors: no entry, no answer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "collector/auth/access.h"
#include "collector/store/writer.h"

namespace picket {

class AuditTrail {
 public:
  explicit AuditTrail(Writer& writer) : writer_(writer) {}

  absl::Status add(const Caller& caller, const std::string& action, const std::string& object,
                   const std::string& outcome) const;

 private:
  Writer& writer_;
};

}  // namespace picket
