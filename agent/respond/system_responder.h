// Carries verdicts out on this machine: guard, then kill, freeze or thaw. Owner: the responder
// thread; may take seconds (a thaw of a fork bomb blocks in the kernel), so never the pipeline.
// Errors: in the Response.
#pragma once

#include <chrono>
#include <functional>

#include "agent/respond/family.h"
#include "agent/respond/guard.h"
#include "agent/respond/responder.h"

namespace picket {

class SystemResponder final : public Responder {
 public:
  struct Options {
    uint64_t max_per_minute = 30;
    std::chrono::milliseconds deadline{5000};
  };
  // Without `family`, a kill of a subtree reaches what /proc and the verdict name, and no further.
  SystemResponder(const CgroupFs& cgroups, const Clock& clock, Guard::Watched watched,
                  Options options, AskFamily family = {});

  Response carry_out(const Verdict& verdict) override;

 private:
  absl::Status act(const Verdict& verdict, Response& response);
  absl::Status kill(const Verdict& verdict, Response& response);

  const CgroupFs& cgroups_;
  const Clock& clock_;
  const Options options_;
  const AskFamily family_;
  Guard guard_;
};

}  // namespace picket
