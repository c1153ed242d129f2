#include "agent/app/pipeline.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>

#include "agent/enrich/cgroup_name.h"
#include "common/alert_json.h"

namespace picket {
namespace {

constexpr uint64_t kTick = 1'000'000'000;
// A record takes its time before its place in the ring: two CPUs may swap theirs by less than this.
constexpr uint64_t kDisorder = 10'000'000;
constexpr size_t kMaxFailed = 4096;
constexpr uint64_t kFailedKept = 120 * kTick;  // longer than repeats are merged

constexpr std::array kRecordErrors{RecordError::too_short,   RecordError::size_mismatch,
                                   RecordError::foreign_abi, RecordError::unknown_type,
                                   RecordError::bad_string,  RecordError::bad_value};

Workspace nameless(const std::string& id) {
  Workspace workspace;
  workspace.id = id;
  workspace.name = id;
  return workspace;
}

}  // namespace

struct Pipeline::Metrics {
  explicit Metrics(MetricRegistry& registry)
      : events(registry.counter("picket_pipeline_events_total", "Records that became events")),
        findings(registry.counter("picket_detect_findings_total", "Findings sent on")),
        mail_refused(registry.counter("picket_pipeline_mail_refused_total",
                                      "Messages a full mailbox refused")),
        lost(registry.counter("picket_sensor_lost_total", "Records the kernel's ring refused")),
        processes(registry.gauge("picket_enrich_processes", "Processes in the table")),
        workspaces(registry.gauge("picket_enrich_workspaces", "Workspaces in the table")) {
    for (const RecordError error : kRecordErrors) {
      rejected[static_cast<size_t>(error)] =
          &registry.counter("picket_pipeline_rejected_total", "Bad records by reason",
                            {"reason", std::string(to_string(error))});
    }
  }
  Counter &events, &findings, &mail_refused, &lost;
  Gauge &processes, &workspaces;
  std::array<Counter*, kRecordErrors.size() + 1> rejected{};
};

Pipeline::Pipeline(PipelineParts parts, EnricherOptions options,
                   std::shared_ptr<const RuleSet> rules)
    : parts_(std::move(parts)),
      metrics_(std::make_unique<Metrics>(parts_.registry)),
      enricher_(
          std::move(options), parts_.identify,
          [this](const Workspace& workspace, const absl::Status& why) {
            on_finding(
                missing_identity(workspace, std::string(why.message()), parts_.clock.boot_ns()));
          },
          [this](const Workspace* before, const Workspace* now) { tell_identity(before, now); }),
      timeline_(Timeline::of(parts_.clock)) {
  enricher_.set_origins(rules->origins());
  auto detector = std::make_unique<RuleDetector>(std::move(rules));
  rules_ = detector.get();
  rules_->set_wall_minus_boot_ns(timeline_.wall_minus_boot_ns);
  engine_.add(std::move(detector));
  if (parts_.canary) engine_.add(std::move(parts_.canary));
}

Pipeline::~Pipeline() = default;

bool Pipeline::post(Mail mail) {
  if (!mailbox_.push(std::move(mail))) {
    metrics_->mail_refused.add();
    return false;
  }
  if (source_ != nullptr) source_->wake();
  return true;
}

absl::StatusOr<Family> Pipeline::ask_family(const Target& target,
                                            std::chrono::milliseconds patience) {
  FamilyQuestion question{target, parts_.clock.boot_ns(),
                          std::make_shared<BoundedQueue<Family>>(1)};
  const auto answer = question.answer;
  if (!post(std::move(question)))
    return absl::ResourceExhaustedError("too many messages wait for the pipeline");
  if (auto family = answer->pop(patience)) return *std::move(family);
  return absl::DeadlineExceededError(
      fmt::format("the pipeline did not read all records within {} ms", patience.count()));
}

absl::Status Pipeline::run(EventSource& source, const std::atomic<bool>& stop) {
  source_ = &source;
  uint64_t now = last_tick_ns_ = parts_.clock.boot_ns();
  if (parts_.rules_in_force) parts_.rules_in_force(rules_->rules());
  while (!stop.load(std::memory_order_acquire)) {
    absl::Status status = take(source, until_tick(now));
    if (!status.ok()) return status;
    open_mail();
    answer_families();
    now = parts_.clock.boot_ns();
    if (now < next_tick_ns_) continue;
    // The wait may have been long: what was judged is told as of now.
    if (status = take(source, std::chrono::milliseconds(0)); !status.ok()) return status;
    tick(now);
  }
  engine_.on_tick(parts_.clock.boot_ns(), *this);
  engine_.flush(*this);
  tick(parts_.clock.boot_ns());
  sessions_.flush([this](const AgentSession& session) { tell_session(session); });
  return absl::OkStatus();
}

absl::Status Pipeline::take(EventSource& source, std::chrono::milliseconds timeout) {
  const uint64_t before = parts_.clock.boot_ns();
  const auto delivered = source.poll(*this, timeout);
  if (!delivered.ok()) return delivered.status();
  if (*delivered == 0) judged_ns_ = quiet_ns_ = before;
  return absl::OkStatus();
}

void Pipeline::answer_families() {
  const uint64_t read_ns = std::max(quiet_ns_, judged_ns_ - std::min(judged_ns_, kDisorder));
  if (families_.answer(enricher_.processes(), read_ns)) source_->wake();
}

std::chrono::milliseconds Pipeline::until_tick(uint64_t now_ns) const {
  const uint64_t left = next_tick_ns_ > now_ns ? next_tick_ns_ - now_ns : 0;
  return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(left));
}

void Pipeline::on_record(std::span<const std::byte> record) {
  RecordError why = RecordError::none;
  const auto event = Event::parse(record, &why);
  if (!event) return metrics_->rejected[static_cast<size_t>(why)]->add();
  metrics_->events.add();
  judged_ns_ = event->header().time_ns;
  if (parts_.record) keep(*event, record);
  enricher_.on_event(*event, *this);
}

// A recording holds no canaries: who replays it would judge them like workspaces.
void Pipeline::keep(const Event& event, std::span<const std::byte> record) {
  if (parts_.is_own && event.header().cgroup_id != 0) {
    const auto* cgroup = event.as<pk_cgroup>();
    if (cgroup != nullptr && parts_.is_own(event.text(cgroup->path))) return;
    const WorkspaceEntry* entry = enricher_.workspaces().find(event.header().cgroup_id);
    if (entry != nullptr && is_own(entry->workspace)) return;
  }
  parts_.record(record);
}

void Pipeline::on_observation(const Observation& observation) {
  engine_.on_event(observation, *this);
  if (!observation.process.driver.agent.empty() && !is_own(observation.workspace))
    sessions_.on_observation(observation);
}

void Pipeline::on_finding(Finding finding) {
  if (is_own(finding.workspace)) return;
  const bool acts = (finding.count == 1 && !finding.restates) ||
                    (!failed_.empty() && failed_.contains(alert_id(finding, parts_.boot_id)));
  Verdict ordered = acts ? parts_.policy.decide(finding, finding.workspace) : Verdict{};
  if (ordered.action != Action::none) {  // before anything else: every microsecond counts
    ordered.finding = alert_id(finding, parts_.boot_id);
    ordered.matched_ns = finding.last_ns;
    if (ordered.target.process.pid != 0) {
      ordered.target.descendants = family_of(ordered.target, enricher_.processes()).descendants;
      std::erase(ordered.target.descendants, ordered.target.process);
    }
    const bool done = !ordered.dry_run;
    const std::string_view action = to_string(ordered.action);
    order(std::move(ordered));
    if (const Process* process = processes().find(finding.process.key); done && process != nullptr)
      sessions_.on_response(*process, fmt::format("{} by rule {}", action, finding.rule),
                            finding.last_ns);
  }
  metrics_->findings.add();
  hashes_.note(finding, processes().find(finding.process.key));
  const Priority severity = finding.priority;
  publish(alert_envelope(finding, timeline_, parts_.boot_id), severity);
}

void Pipeline::publish(v1::Envelope envelope, Priority severity) {
  set_wall_ns(*envelope.mutable_recorded(), parts_.clock.wall_ns());
  parts_.outlet.publish(std::move(envelope), severity);
}

void Pipeline::order(Verdict verdict) {
  if (parts_.respond(verdict)) return;
  read(Response{
      std::move(verdict), absl::ResourceExhaustedError("too many responses are waiting"), "", {}});
}

void Pipeline::open_mail() {
  while (auto mail = mailbox_.pop(std::chrono::milliseconds(0))) {
    std::visit([this](auto&& message) { read(std::forward<decltype(message)>(message)); },
               std::move(*mail));
  }
}

void Pipeline::read(IdentityAnswer answer) {
  WorkspaceEntry* entry = enricher_.workspaces().find(answer.cgroup_id);
  const bool own = entry != nullptr && is_own(entry->workspace);
  if (parts_.record_identity && !own) parts_.record_identity(answer.cgroup_id, answer.identity);
  if (entry != nullptr) entry->workspace.frozen = answer.frozen;
  enricher_.on_identity(answer.cgroup_id, std::move(answer.identity), *this);
}

// Before its first alert: who sees that one may ask for the workspace, and a rule may act on it.
void Pipeline::tell_identity(const Workspace* before, const Workspace* now) {
  const auto tell = [this](const Workspace& workspace, v1::WorkspaceState state) {
    publish(workspace_envelope(workspace, state, 0, parts_.clock.wall_ns()), Priority::notice);
  };
  if (is_own(now != nullptr ? *now : *before)) return;
  if (before != nullptr && (now == nullptr || now->id != before->id)) {
    if (parts_.watched) parts_.watched(*before, false);
    tell(*before, v1::WORKSPACE_STATE_GONE);
  }
  if (now == nullptr) return;
  if (parts_.watched) parts_.watched(*now, true);
  tell(*now, now->frozen ? v1::WORKSPACE_STATE_FROZEN : v1::WORKSPACE_STATE_RUNNING);
}

void Pipeline::read(const v1::Command& command) {
  Verdict verdict;
  verdict.action = action_of(command.action());
  verdict.command = command.id();
  verdict.finding = command.id();
  verdict.reason = command.reason();
  verdict.target.workspace_id = command.workspace_id();
  verdict.matched_ns = parts_.clock.boot_ns();
  const auto refuse = [&](absl::Status why) { read(Response{verdict, std::move(why), "", {}}); };
  const uint64_t not_after = wall_ns(command.not_after());
  if (command.has_not_after() && parts_.clock.wall_ns() > not_after) {
    return refuse(absl::DeadlineExceededError("the command came after its time"));
  }
  if (verdict.action == Action::none) return refuse(absl::InvalidArgumentError("unknown action"));
  bool found = false;
  enricher_.workspaces().for_each([&](const WorkspaceEntry& entry) {
    if (!is_known(entry) || entry.workspace.id != command.workspace_id() || entry.gone_ns != 0)
      return;
    found = true;
    verdict.target.cgroup_id = entry.workspace.cgroup_id;
    verdict.target.cgroup = entry.workspace.cgroup;
  });
  if (!found) {
    return refuse(absl::NotFoundError(
        fmt::format("no workspace {} runs on this node", command.workspace_id())));
  }
  order(std::move(verdict));
}

void Pipeline::read(const Response& response) {
  const Verdict& verdict = response.verdict;
  const bool done = response.status.ok() && !verdict.dry_run;
  if (done && (verdict.action == Action::freeze || verdict.action == Action::thaw)) {
    if (WorkspaceEntry* entry = enricher_.workspaces().find(verdict.target.cgroup_id)) {
      entry->workspace.frozen = verdict.action == Action::freeze;
      reports_.changed(verdict.target.cgroup_id);
      next_tick_ns_ = 0;  // tell the new state now
    }
  }
  remember(response);
  publish(result_envelope(response, parts_.clock.wall_ns()), Priority::alert);
  if (!response.status.ok() &&
      verdict.command.empty()) {  // an operator sees the result; a rule has nobody who looks
    on_finding(failed_response(to_string(verdict.action),
                               workspace_by_cgroup(verdict.target.cgroup_id),
                               std::string(response.status.message()), parts_.clock.boot_ns()));
  }
}

void Pipeline::remember(const Response& response) {
  if (!response.verdict.command.empty()) return;
  if (response.status.ok()) {
    failed_.erase(response.verdict.finding);
  } else if (failed_.size() < kMaxFailed) {
    failed_[response.verdict.finding] = parts_.clock.boot_ns();
  }
}

void Pipeline::read(NewRules rules) {
  enricher_.set_origins(rules.rules->origins());
  // What they ask for is told from here on, and read only after they are in force.
  if (parts_.rules_in_force) parts_.rules_in_force(*rules.rules);
  rules_->replace(std::move(rules.rules));
}

void Pipeline::read(const ProgramHash& hash) {
  for (const Finding& finding : hashes_.complete(hash))
    publish(alert_envelope(finding, timeline_, parts_.boot_id), finding.priority);
}

void Pipeline::read(const RefusedRules& refused) {
  on_finding(refused_rules(refused.why, parts_.clock.boot_ns()));
}

void Pipeline::read(const DeliveryLoss& loss) {
  std::string what = "envelopes in the " + loss.where;
  if (loss.last_sequence != 0)
    what += fmt::format(" (sequences {} to {})", loss.first_sequence, loss.last_sequence);
  on_finding(lost_inside(what, loss.count, loss.from_ns, loss.to_ns));
}

Workspace Pipeline::workspace_by_cgroup(uint64_t cgroup_id) {
  const WorkspaceEntry* entry = enricher_.workspaces().find(cgroup_id);
  if (entry != nullptr && !entry->workspace.id.empty()) return entry->workspace;
  if (entry == nullptr || entry->workspace.cgroup.empty())
    return nameless(std::to_string(cgroup_id));
  Workspace unidentified = nameless(workspace_id(entry->workspace.cgroup));  // its answer is coming
  if (is_container_id(unidentified.id)) unidentified.container_id = unidentified.id;
  unidentified.cgroup = entry->workspace.cgroup;
  unidentified.cgroup_id = cgroup_id;
  return unidentified;
}

void Pipeline::report_losses(uint64_t now_ns) {
  const auto whose = [this](uint64_t cgroup_id) {
    return cgroup_id == 0 ? Workspace{} : workspace_by_cgroup(cgroup_id);
  };
  std::map<uint64_t, LostRecords> by_workspace;
  for (const RecordLoss& loss : parts_.losses()) {
    metrics_->lost.add(loss.count);
    if (loss.event == kUnseenProcess)
      on_finding(unseen_processes(whose(loss.cgroup_id), loss.count, loss.from_ns, loss.to_ns));
    else
      by_workspace[loss.cgroup_id].add(loss.event, loss.count, loss.from_ns, loss.to_ns);
  }
  for (const auto& [cgroup_id, lost] : by_workspace)
    on_finding(lost_records(whose(cgroup_id), lost));
  for (const SequenceLoss& loss : rules_->sequences().take_losses())
    on_finding(lost_sequences(workspace_by_cgroup(loss.cgroup_id), loss.count, loss.first_ns,
                              loss.last_ns));
  const EnricherStats& stats = enricher_.stats();
  const uint64_t refused = stats.refused - seen_stats_.refused;
  if (refused > 0)
    on_finding(lost_inside("records of workspaces beyond the table's size", refused, last_tick_ns_,
                           now_ns));
  seen_stats_ = stats;
}

// Once, when everybody who was found at the start has an identity: what ended while no agent
// watched would otherwise run for ever at the collector.
void Pipeline::tell_inventory() {
  v1::Envelope envelope;
  v1::WorkspaceInventory& inventory = *envelope.mutable_inventory();
  bool settled = true;
  enricher_.workspaces().for_each([&](const WorkspaceEntry& entry) {
    if (is_own(entry.workspace)) return;
    settled &= entry.state != WorkspaceEntry::State::pending;
    if (is_known(entry) && entry.gone_ns == 0) inventory.add_workspace_ids(entry.workspace.id);
  });
  if (!settled) return;
  publish(std::move(envelope), Priority::notice);
  inventory_told_ = true;
}

void Pipeline::tell_session(const AgentSession& session) {
  publish(session_envelope(session, timeline_), Priority::informational);
}

// Behind everything that this tick published: who knows this was judged has the findings as well.
void Pipeline::tell_judged() {
  const uint64_t judged = std::min(judged_ns_, enricher_.oldest_waiting_ns().value_or(judged_ns_));
  if (judged < told_judged_ns_ + kDisorder) return;
  told_judged_ns_ = judged - kDisorder;
  parts_.outlet.judged_until(told_judged_ns_);
}

void Pipeline::tell_ended_waivers(uint64_t now_ns) {
  for (const EndedWaiver& ended : rules_->waivers().take_ended()) {
    Finding finding = ended_waiver(ended, now_ns);
    SPDLOG_WARN("rules: {}", finding.output);
    on_finding(std::move(finding));
  }
}

void Pipeline::tick(uint64_t now_ns) {
  timeline_ = Timeline::of(parts_.clock);
  rules_->set_wall_minus_boot_ns(timeline_.wall_minus_boot_ns);
  engine_.on_tick(now_ns, *this);
  tell_ended_waivers(now_ns);
  enricher_.on_tick(now_ns, *this);
  if (parts_.joins_api)
    api_.tell(enricher_.workspaces(), enricher_.processes(), timeline_, now_ns,
              [this](Finding finding) { on_finding(std::move(finding)); });
  report_losses(now_ns);
  reports_.update(enricher_.workspaces(), enricher_.processes(), now_ns,
                  [&](const Workspace& workspace, v1::WorkspaceState state, uint32_t processes) {
                    if (is_own(workspace)) return;
                    if (parts_.watched)
                      parts_.watched(workspace, state != v1::WORKSPACE_STATE_GONE);
                    publish(workspace_envelope(workspace, state, processes, parts_.clock.wall_ns()),
                            Priority::notice);
                  });
  sessions_.update(enricher_.processes(), now_ns,
                   [this](const AgentSession& session) { tell_session(session); });
  if (!inventory_told_) tell_inventory();
  tell_judged();
  absl::erase_if(failed_, [&](const auto& failed) { return failed.second + kFailedKept < now_ns; });
  metrics_->processes.set(enricher_.processes().size());
  metrics_->workspaces.set(enricher_.workspaces().size());
  last_tick_ns_ = now_ns;
  next_tick_ns_ = now_ns + kTick;
}

}  // namespace picket
