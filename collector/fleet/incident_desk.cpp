#include "collector/fleet/incident_desk.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "collector/fleet/policy_audit.h"
#include "collector/store/incident.h"
#include "common/alert_json.h"
#include "common/incident_words.h"

namespace picket {
namespace {

constexpr size_t kMaxReason = 1000;
constexpr size_t kMaxAssignee = 200;
constexpr const char* kReopenAction = "incident.reopen";

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

std::string audit_action(v1::IncidentAction action) {
  switch (action) {
    case v1::INCIDENT_ACTION_ACKNOWLEDGE:
      return "incident.acknowledge";
    case v1::INCIDENT_ACTION_ASSIGN:
      return "incident.assign";
    case v1::INCIDENT_ACTION_RESOLVE:
      return "incident.resolve";
    case v1::INCIDENT_ACTION_REOPEN:
      return kReopenAction;
    default:
      return "incident.change";
  }
}

std::string object_words(const IncidentKey& key) {
  return key.node.empty() ? key.id : fmt::format("{} {}", key.node, key.id);
}

std::string object_words(const v1::ChangeIncidentRequest& request, const IncidentKey& key) {
  std::string text = object_words(key);
  if (request.action() == v1::INCIDENT_ACTION_ASSIGN)
    text += request.assignee().empty() ? " to nobody" : " to " + request.assignee();
  if (request.action() == v1::INCIDENT_ACTION_RESOLVE)
    text += fmt::format(" as {}", incident_verdict_word(request.verdict()));
  return text;
}

v1::AuditEntry entry_of(const Caller& caller, const v1::ChangeIncidentRequest& request,
                        const IncidentKey& key, const std::string& outcome) {
  return policy_entry(caller.actor(), caller.source, audit_action(request.action()),
                      object_words(request, key), request.reason(), outcome);
}

// What closes something, or opens what somebody closed, has a reason.
absl::Status check(const v1::ChangeIncidentRequest& request) {
  const bool resolves = request.action() == v1::INCIDENT_ACTION_RESOLVE;
  if (resolves && incident_verdict_word(request.verdict()).empty())
    return absl::InvalidArgumentError(
        "a resolution needs a verdict: true positive, false alarm or benign");
  if (request.assignee().size() > kMaxAssignee)
    return absl::InvalidArgumentError(
        fmt::format("the assignee is longer than {} bytes", kMaxAssignee));
  if (resolves || request.action() == v1::INCIDENT_ACTION_REOPEN)
    return check_policy_reason(request.reason());
  if (request.reason().size() > kMaxReason)
    return absl::InvalidArgumentError(
        fmt::format("the reason is longer than {} bytes", kMaxReason));
  return absl::OkStatus();
}

double seconds(uint64_t from_ns, uint64_t to_ns) {
  return to_ns > from_ns ? static_cast<double>(to_ns - from_ns) / 1e9 : 0;
}

}  // namespace

IncidentDesk::IncidentDesk(const Store& store, Writer& writer, const Clock& clock,
                           MetricRegistry& registry)
    : writer_(writer),
      clock_(clock),
      acknowledge_seconds_(registry.histogram(
          "picket_incident_acknowledge_seconds",
          "From an incident's first alert to its first acknowledgment or resolution",
          {60, 300, 900, 1800, 3600, 14'400, 43'200, 86'400, 604'800})),
      contain_seconds_(registry.histogram(
          "picket_incident_contain_seconds",
          "From an incident's first alert to the first freeze or kill of its workspace after it",
          {0.01, 0.1, 1, 10, 60, 300, 900, 3600, 14'400, 86'400})) {
  for (int priority = v1::PRIORITY_EMERGENCY; priority <= v1::PRIORITY_DEBUG; ++priority)
    violations_.push_back(&registry.counter(
        "picket_violations_total", "Alerts stored for the first time, but for rules on trial",
        {"priority", std::string(priority_name(static_cast<v1::Priority>(priority)))}));
  registry.ask("picket_incidents", "Incidents that are not resolved, by state",
               MetricRegistry::Kind::gauge, [&store] {
                 std::vector<MetricRegistry::Series> series;
                 const auto reader = store.reader();
                 if (!reader.ok()) return series;
                 const auto counts = (*reader)->incident_counts();
                 if (!counts.ok()) return series;
                 for (const auto& [state, count] : *counts)
                   series.push_back({{"state", std::string(incident_state_word(state))}, count});
                 return series;
               });
}

// On the writer's thread. No audit entry, no change.
absl::Status IncidentDesk::carry_out(Store& store, const Caller& caller,
                                     const v1::ChangeIncidentRequest& request,
                                     v1::ChangeIncidentResponse& response) {
  const auto reader = store.reader();
  if (!reader.ok()) return reader.status();
  auto incident = (*reader)->incident({request.incident(), request.node()});
  if (!incident.ok()) return incident.status();
  if (!in_scope(caller.scope.namespaces, incident->namespace_()))
    return absl::PermissionDeniedError(fmt::format("incident \"{}\" is outside of the scope of {}",
                                                   request.incident(), caller.actor()));
  v1::IncidentChange change;
  set_wall_ns(*change.mutable_time(), clock_.wall_ns());
  change.set_actor(caller.actor());
  change.set_action(request.action());
  change.set_reason(request.reason());
  if (request.action() == v1::INCIDENT_ACTION_ASSIGN) change.set_assignee(request.assignee());
  if (request.action() == v1::INCIDENT_ACTION_RESOLVE) change.set_verdict(request.verdict());
  v1::IncidentHandling allowed = incident->handling();
  absl::Status status = change_handling(allowed, request.revision(), change);
  if (!status.ok()) return status;
  const IncidentKey key{incident->id(), incident->node()};
  const auto entry = store.append_audit(entry_of(caller, request, key, "accepted"));
  if (!entry.ok()) return entry.status();
  response.set_audit_id(std::to_string(entry->sequence()));
  auto changed = store.change_incident(key, request.revision(), change);
  if (!changed.ok()) return changed.status();
  if (!incident->handling().has_acknowledged() && changed->has_acknowledged())
    acknowledge_seconds_.observe(
        seconds(wall_ns(incident->first()), wall_ns(changed->acknowledged())));
  *incident->mutable_handling() = *std::move(changed);
  *response.mutable_incident() = *std::move(incident);
  return absl::OkStatus();
}

absl::StatusOr<v1::ChangeIncidentResponse> IncidentDesk::change(
    const Caller& caller, const v1::ChangeIncidentRequest& request) {
  v1::ChangeIncidentResponse response;
  absl::Status status = check(request);
  if (status.ok())
    status = writer_.run_and_wait(
        [&](Store& store) { return carry_out(store, caller, request, response); });
  if (status.ok()) return response;
  refuse(caller, request, status);
  return status;
}

void IncidentDesk::refuse(const Caller& caller, const v1::ChangeIncidentRequest& request,
                          const absl::Status& why) {
  const IncidentKey key{request.incident(), request.node()};
  const absl::Status status = writer_.run_and_wait([&](Store& store) {
    return store.append_audit(entry_of(caller, request, key, "refused: " + words(why))).status();
  });
  if (!status.ok())
    spdlog::error("a refusal of {} could not be audited: {}", caller.actor(), words(status));
}

void IncidentDesk::on_commit(const CommitOutcome& outcome) {
  for (const StoredAlert& stored : outcome.new_alerts) {
    const auto priority = static_cast<size_t>(stored.alert.priority());
    if (!stored.alert.shadow() && priority >= 1 && priority <= violations_.size())
      violations_[priority - 1]->add();
  }
  for (const uint64_t after_ns : outcome.contained_after_ns)
    contain_seconds_.observe(static_cast<double>(after_ns) / 1e9);
  for (const IncidentKey& key : outcome.reopened) audit_reopened(key);
}

// It has happened: the entry follows as soon as this commit is over.
void IncidentDesk::audit_reopened(const IncidentKey& key) {
  const auto append = [key](Store& store) {
    const auto entry = store.append_audit(policy_entry(
        kByItself, "", kReopenAction, object_words(key), "", "accepted: a new alert of it came"));
    if (!entry.ok())
      spdlog::error("that incident {} is open again could not be audited: {}", key.id,
                    words(entry.status()));
  };
  if (!writer_.run(append))
    spdlog::error("that incident {} is open again found no room among the writes", key.id);
}

}  // namespace picket
