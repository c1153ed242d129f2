#include "agent/app/envelopes.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "agent/app/finding_alert.h"
#include "common/alert_json.h"

namespace picket {
namespace {

v1::Action wire_action(Action action) {
  switch (action) {
    case Action::kill:
      return v1::ACTION_KILL;
    case Action::freeze:
      return v1::ACTION_FREEZE;
    case Action::thaw:
      return v1::ACTION_THAW;
    case Action::none:
      break;
  }
  return v1::ACTION_UNSPECIFIED;
}

void fill(v1::SessionEntries& out, const SessionList& list, const Timeline& timeline) {
  for (const SessionList::Entry& entry : list.entries()) {
    v1::SessionEntry& row = *out.add_entries();
    row.set_text(entry.text);
    row.set_count(entry.count);
    row.set_writes(entry.writes);
    row.set_bytes_in(entry.bytes_in);
    row.set_bytes_out(entry.bytes_out);
    set_wall_ns(*row.mutable_first(), timeline.wall_ns(entry.first_ns));
  }
  out.set_left_out(list.left_out());
}

}  // namespace

std::string alert_id(const Finding& finding, const std::string& boot_id) {
  return alert_id(FindingRef{finding.merge_id, finding.rule, finding.first_ns}, boot_id);
}

std::string alert_id(const FindingRef& finding, const std::string& boot_id) {
  const std::string key =
      fmt::format("{}|{}|{}|{}", boot_id, finding.merge_id, finding.rule, finding.first_ns);
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

v1::Envelope alert_envelope(const Finding& finding, const Timeline& timeline,
                            const std::string& boot_id) {
  v1::Envelope envelope;
  v1::Alert& alert = *envelope.mutable_alert();
  alert = alert_of(finding, timeline.wall_minus_boot_ns);
  alert.set_id(alert_id(finding, boot_id));
  const Incident& incident = finding.incident;
  if (!incident.first.empty()) alert.mutable_incident()->set_id(alert_id(incident.first, boot_id));
  if (!incident.parent.empty())
    alert.mutable_incident()->set_parent(alert_id(incident.parent, boot_id));
  return envelope;
}

v1::Envelope result_envelope(const Response& response, uint64_t wall_ns) {
  v1::Envelope envelope;
  v1::CommandResult& result = *envelope.mutable_result();
  result.set_command_id(response.verdict.command);
  if (response.verdict.command.empty()) result.set_alert_id(response.verdict.finding);
  result.set_action(wire_action(response.verdict.action));
  result.set_workspace_id(response.verdict.target.workspace_id);
  result.set_ok(response.status.ok());
  result.set_detail(response.status.ok() ? response.detail
                                         : std::string(response.status.message()));
  result.set_took_us(response.took.count());
  result.set_dry_run(response.verdict.dry_run);
  set_wall_ns(*result.mutable_time(), wall_ns);
  return envelope;
}

v1::Envelope coverage_envelope(const Coverage& coverage, std::span<const RuleGap> gaps,
                               std::span<const SystemCall> calls, uint64_t wall_ns) {
  v1::Envelope envelope;
  v1::Coverage& out = *envelope.mutable_coverage();
  out.set_kernel(coverage.kernel);
  out.set_untested(!coverage.tested);
  out.set_tier(coverage.tier);
  for (const CoverageLine& line : coverage.lines) {
    v1::CoverageLine& row = *out.add_lines();
    row.set_hook(line.hook);
    row.set_event(line.event);
    row.set_state(std::string(state_word(line.state)));
    row.set_effect(line.effect);
    row.set_reason(line.reason);
  }
  for (const RuleGap& gap : gaps) {
    v1::RuleGap& row = *out.add_rule_gaps();
    row.set_rule(gap.rule);
    row.set_never_matches(gap.never_matches);
    for (const CoverageLine& line : gap.missing) {
      row.add_hooks(line.hook);
      row.add_effects(line.effect);
    }
  }
  std::map<std::pair<std::string_view, std::string_view>, v1::SystemCalls*> groups;
  for (const SystemCall& call : calls) {
    v1::SystemCalls*& group = groups[{state_word(call.state), call.detail}];
    if (group == nullptr) {
      group = out.add_system_calls();
      group->set_state(std::string(state_word(call.state)));
      group->set_detail(call.detail);
    }
    group->add_names(call.name);
  }
  set_wall_ns(*envelope.mutable_recorded(), wall_ns);
  return envelope;
}

v1::Envelope sight_envelope(bool sees, std::string_view why, uint64_t since_wall_ns) {
  v1::Envelope envelope;
  v1::Sight& sight = *envelope.mutable_sight();
  sight.set_sees(sees);
  sight.set_why(std::string(why));
  set_wall_ns(*sight.mutable_since(), since_wall_ns);
  return envelope;
}

v1::Envelope session_envelope(const AgentSession& session, const Timeline& timeline) {
  v1::Envelope envelope;
  v1::AgentSession& out = *envelope.mutable_session();
  out.set_id(fmt::format("{}-{}", session.key.pid, session.key.start_ns));
  out.set_agent(session.agent);
  out.set_program(session.program);
  out.set_workspace_id(session.workspace_id);
  out.set_workspace_name(session.workspace_name);
  out.set_owner(session.owner);
  set_wall_ns(*out.mutable_first(), timeline.wall_ns(session.first_ns));
  set_wall_ns(*out.mutable_last(), timeline.wall_ns(session.last_ns));
  out.set_ended(session.ended);
  fill(*out.mutable_commands(), session.commands, timeline);
  fill(*out.mutable_files(), session.files, timeline);
  fill(*out.mutable_hosts(), session.hosts, timeline);
  fill(*out.mutable_credentials(), session.credentials, timeline);
  fill(*out.mutable_denials(), session.denials, timeline);
  out.set_bytes_in(session.bytes_in);
  out.set_bytes_out(session.bytes_out);
  out.set_part(session.first_ns);
  return envelope;
}

v1::Envelope workspace_envelope(const Workspace& workspace, v1::WorkspaceState state,
                                uint32_t processes, uint64_t wall_ns) {
  v1::Envelope envelope;
  v1::WorkspaceStatus& status = *envelope.mutable_workspace();
  fill(*status.mutable_workspace(), workspace);
  status.set_state(state);
  status.set_processes(processes);
  set_wall_ns(*status.mutable_since(), wall_ns);
  return envelope;
}

uint8_t spool_urgency(const v1::Envelope& envelope, Priority severity) {
  if (envelope.has_alert() || envelope.has_result()) return static_cast<uint8_t>(severity);
  return static_cast<uint8_t>(Priority::debug) + 1;
}

Action action_of(v1::Action action) {
  switch (action) {
    case v1::ACTION_KILL:
      return Action::kill;
    case v1::ACTION_FREEZE:
      return Action::freeze;
    case v1::ACTION_THAW:
      return Action::thaw;
    default:
      return Action::none;
  }
}

}  // namespace picket
