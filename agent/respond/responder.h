// Carries out one verdict. Called by the responder thread only; never decides, never retries.
// Errors: in Response::status; a refused verdict (guard) is PermissionDenied with the reason.
#pragma once

#include "agent/respond/verdict.h"

namespace picket {

struct Responder {
  virtual ~Responder() = default;
  virtual Response carry_out(const Verdict& verdict) = 0;
};

}  // namespace picket
