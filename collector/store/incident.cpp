#include "collector/store/incident.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/store/lookup.h"
#include "common/alert_json.h"
#include "common/incident_words.h"

namespace picket {
namespace {

constexpr int kHistoryKept = 100;

absl::Status not_in(v1::IncidentState state) {
  return absl::FailedPreconditionError(
      fmt::format("the incident is {} already", incident_state_word(state)));
}

absl::Status check_state(v1::IncidentState state, v1::IncidentAction action) {
  const bool resolved = state == v1::INCIDENT_STATE_RESOLVED;
  switch (action) {
    case v1::INCIDENT_ACTION_ACKNOWLEDGE:
      return state == v1::INCIDENT_STATE_OPEN ? absl::OkStatus() : not_in(state);
    case v1::INCIDENT_ACTION_RESOLVE:
      return resolved ? not_in(state) : absl::OkStatus();
    case v1::INCIDENT_ACTION_ASSIGN:
      if (!resolved) return absl::OkStatus();
      return absl::FailedPreconditionError("the incident is resolved: reopen it first");
    case v1::INCIDENT_ACTION_REOPEN:
      if (resolved) return absl::OkStatus();
      return absl::FailedPreconditionError("the incident is not resolved");
    default:
      return absl::InvalidArgumentError("the request has no change that this collector knows");
  }
}

template <class Texts>
void add_once(Texts& all, const std::string& one) {
  if (!one.empty() && std::ranges::find(all, one) == all.end()) *all.Add() = one;
}

}  // namespace

absl::StatusOr<v1::IncidentHandling> read_handling(uint64_t state, std::string_view bytes) {
  v1::IncidentHandling handling;
  if (!handling.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::DataLossError("read the handling of an incident: it is damaged");
  handling.set_state(static_cast<v1::IncidentState>(state));
  return handling;
}

absl::Status change_handling(v1::IncidentHandling& handling, uint64_t revision,
                             const v1::IncidentChange& change) {
  if (handling.revision() != revision) {
    const bool ahead = handling.history().empty() || handling.revision() < revision;
    return absl::AbortedError(
        ahead ? fmt::format("the incident has revision {}, not {}", handling.revision(), revision)
              : fmt::format("{} has {} the incident meanwhile; it is {} now, with revision {}: "
                            "look at it again",
                            handling.history().rbegin()->actor(),
                            incident_action_word(handling.history().rbegin()->action()),
                            incident_state_word(handling.state()), handling.revision()));
  }
  if (absl::Status status = check_state(handling.state(), change.action()); !status.ok())
    return status;
  switch (change.action()) {
    case v1::INCIDENT_ACTION_ACKNOWLEDGE:
      handling.set_state(v1::INCIDENT_STATE_ACKNOWLEDGED);
      break;
    case v1::INCIDENT_ACTION_ASSIGN:
      handling.set_assignee(change.assignee());
      break;
    case v1::INCIDENT_ACTION_RESOLVE:
      handling.set_state(v1::INCIDENT_STATE_RESOLVED);
      break;
    default:
      handling.set_state(v1::INCIDENT_STATE_OPEN);
  }
  handling.set_verdict(handling.state() == v1::INCIDENT_STATE_RESOLVED
                           ? change.verdict()
                           : v1::INCIDENT_VERDICT_UNSPECIFIED);
  const bool looked_at = change.action() == v1::INCIDENT_ACTION_ACKNOWLEDGE ||
                         change.action() == v1::INCIDENT_ACTION_RESOLVE;
  if (looked_at && !handling.has_acknowledged()) *handling.mutable_acknowledged() = change.time();
  handling.set_revision(revision + 1);
  if (handling.history_size() >= kHistoryKept)
    handling.mutable_history()->DeleteSubrange(0, handling.history_size() - kHistoryKept + 1);
  *handling.add_history() = change;
  return absl::OkStatus();
}

bool reopens(const v1::Alert& alert, const v1::IncidentHandling& handling) {
  return handling.state() == v1::INCIDENT_STATE_RESOLVED && !alert.shadow() &&
         alert.priority() <= v1::PRIORITY_NOTICE;
}

void reopen(const v1::Alert& alert, v1::IncidentHandling& handling) {
  v1::IncidentChange change;
  *change.mutable_time() = alert.stored();
  change.set_actor(kByItself);
  change.set_action(v1::INCIDENT_ACTION_REOPEN);
  change.set_reason(fmt::format("a new alert of {}: {}", alert.rule(), alert.id()));
  (void)change_handling(handling, handling.revision(), change);  // it is resolved
}

bool contains(const v1::CommandResult& result) {
  return result.ok() && !result.dry_run() && !result.workspace_id().empty() &&
         (result.action() == v1::ACTION_FREEZE || result.action() == v1::ACTION_KILL);
}

absl::Status ambiguous_incident(const std::string& asked, const v1::IncidentSummary& one,
                                const std::string& other_id, const std::string& other_node) {
  return ambiguous("incident", asked, fmt::format("{} of {}", one.id(), one.node()),
                   fmt::format("{} of {}", other_id, other_node));
}

void add_part(v1::IncidentSummary& incident, const IncidentPart& part) {
  if (incident.alerts() == 0 || part.first_ns < wall_ns(incident.first()))
    set_wall_ns(*incident.mutable_first(), part.first_ns);
  if (part.last_ns > wall_ns(incident.last())) set_wall_ns(*incident.mutable_last(), part.last_ns);
  incident.set_alerts(incident.alerts() + part.alerts);
  incident.set_count(incident.count() + part.count);
  const auto priority = static_cast<v1::Priority>(part.priority);
  if (priority != v1::PRIORITY_UNSPECIFIED &&
      (incident.priority() == v1::PRIORITY_UNSPECIFIED || priority < incident.priority()))
    incident.set_priority(priority);
  add_once(*incident.mutable_stages(), part.stage);
  add_once(*incident.mutable_rules(), part.rule);
}

}  // namespace picket
