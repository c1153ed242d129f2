// From the agent's own types to the wire's. Pure functions: any thread.
// Times: findings carry CLOCK_BOOTTIME; `Timeline` maps them to UTC. Arithmetic is modulo 2^64 on
// purpose, so that a moment before this boot (an interval without an agent) maps back exactly.
#pragma once

#include <span>
#include <string>

#include "agent/app/agent_sessions.h"
#include "agent/app/rule_gaps.h"
#include "agent/detect/finding.h"
#include "agent/respond/verdict.h"
#include "agent/sensor/coverage.h"
#include "common/clock.h"
#include "picket/v1/agent.pb.h"

namespace picket {

struct Timeline {
  uint64_t wall_minus_boot_ns = 0;
  static Timeline of(const Clock& clock) { return {clock.wall_ns() - clock.boot_ns()}; }
  uint64_t wall_ns(uint64_t boot_ns) const { return boot_ns + wall_minus_boot_ns; }
  uint64_t boot_ns(uint64_t wall_ns) const { return wall_ns - wall_minus_boot_ns; }
};

// `boot_id` makes the alert's id unique over nodes and boots; a merged repeat keeps its id.
v1::Envelope alert_envelope(const Finding& finding, const Timeline& timeline,
                            const std::string& boot_id);
std::string alert_id(const Finding& finding, const std::string& boot_id);
std::string alert_id(const FindingRef& finding, const std::string& boot_id);

v1::Envelope result_envelope(const Response& response, uint64_t wall_ns);
v1::Envelope coverage_envelope(const Coverage& coverage, std::span<const RuleGap> gaps,
                               std::span<const SystemCall> calls, uint64_t wall_ns);
v1::Envelope sight_envelope(bool sees, std::string_view why, uint64_t since_wall_ns);
v1::Envelope session_envelope(const AgentSession& session, const Timeline& timeline);
v1::Envelope workspace_envelope(const Workspace& workspace, v1::WorkspaceState state,
                                uint32_t processes, uint64_t wall_ns);

// What the outbox and the spool drop first, the larger the sooner: what only describes the node and
// its workspaces goes before every alert.
uint8_t spool_urgency(const v1::Envelope& envelope, Priority severity);

Action action_of(v1::Action action);

}  // namespace picket
