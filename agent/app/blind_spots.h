// Findings about what the agent could not see: intervals without an agent, records the ring
// refused, workspaces without identity. Pure functions, called by the pipeline thread. first_ns and
// last_ns are the bounds of the blind interval.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/app/envelopes.h"
#include "agent/detect/finding.h"
#include "agent/detect/rule/waivers.h"

namespace picket {

inline constexpr std::string_view kBlindSpotRule = "picket.blind_spot";
inline constexpr std::string_view kSelfCheckRule = "picket.self_check";
inline constexpr std::string_view kIdentityRule = "picket.identity_missing";
inline constexpr std::string_view kWaiverRule = "picket.waiver_ended";
inline constexpr std::string_view kRulesRule = "picket.rules_refused";
inline constexpr std::string_view kResponseFailedRule = "picket.response_failed";

// Nobody watched from `first_wall_ns` to `last_wall_ns`.
Finding unwatched_interval(uint64_t first_wall_ns, uint64_t last_wall_ns, const Timeline& timeline);

// What the ring refused of one workspace between two readings of the counters.
struct LostRecords {
  std::map<std::string, uint64_t> count_by_event;
  uint64_t first_boot_ns = 0, last_boot_ns = 0;
  void add(const std::string& event, uint64_t count, uint64_t from_boot_ns, uint64_t to_boot_ns);
};
// `workspace` with an empty id: not attributable.
Finding lost_records(const Workspace& workspace, const LostRecords& lost);

// Processes that the kernel's programs had no room for: this is not over when the interval is.
Finding unseen_processes(const Workspace& workspace, uint64_t count, uint64_t first_boot_ns,
                         uint64_t last_boot_ns);
// What RecordLoss::event says of them.
inline constexpr std::string_view kUnseenProcess = "process";

// Findings, records or envelopes that a full queue or table of the agent refused. `count` 0: it is
// not known how many.
Finding lost_inside(std::string_view what, uint64_t count, uint64_t first_boot_ns,
                    uint64_t last_boot_ns);

// Open sequences of a workspace that had too many.
Finding lost_sequences(const Workspace& workspace, uint64_t count, uint64_t first_boot_ns,
                       uint64_t last_boot_ns);

Finding ended_waiver(const EndedWaiver& ended, uint64_t boot_ns);
// The active rules stay as they are.
Finding refused_rules(std::string_view why, uint64_t boot_ns);
Finding missing_identity(const Workspace& workspace, std::string_view reason, uint64_t boot_ns);
Finding failed_self_check(std::string_view what, uint64_t boot_ns);
// The agent's canaries did not come back after `first_boot_ns`; `over`: now they do again.
Finding blinded(std::string_view why, uint64_t first_boot_ns, uint64_t last_boot_ns, bool over);
Finding failed_response(std::string_view action, const Workspace& workspace,
                        std::string_view reason, uint64_t boot_ns);

}  // namespace picket
