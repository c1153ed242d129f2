#include "agent/app/agent.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "agent/app/audit_log.h"
#include "agent/app/blind_spots.h"
#include "agent/app/canary.h"
#include "agent/app/collector_mail.h"
#include "agent/app/coverage_report.h"
#include "agent/app/heartbeat.h"
#include "agent/app/identity_service.h"
#include "agent/app/machine_processes.h"
#include "agent/app/outlets.h"
#include "agent/app/pipeline.h"
#include "agent/app/responder_thread.h"
#include "agent/app/rule_gaps.h"
#include "agent/app/rule_updates.h"
#include "agent/app/sight_reports.h"
#include "agent/app/version.h"
#include "agent/app/watched_registry.h"
#include "agent/detect/rule/interest.h"
#include "agent/detect/rule/urgency.h"
#include "agent/enrich/cgroup_path.h"
#include "agent/enrich/cgroup_resolver.h"
#include "agent/enrich/containerd_resolver.h"
#include "agent/enrich/docker_completion.h"
#include "agent/enrich/identity_json.h"
#include "agent/enrich/rootfs_names.h"
#include "agent/enrich/runc_resolver.h"
#include "agent/enrich/runtime_completion.h"
#include "agent/enrich/storage_resolver.h"
#include "agent/event/schema.h"
#include "agent/respond/system_responder.h"
#include "agent/sensor/bpf_sensor.h"
#include "agent/sensor/features.h"
#include "agent/sensor/recording.h"
#include "agent/sensor/self_check.h"
#include "agent/sensor/system_calls.h"
#include "common/health_server.h"
#include "common/tls_refusals.h"

namespace picket {
namespace {

constexpr std::chrono::milliseconds kFamilyPatience{2000};
// In the state directory.
constexpr const char* kKeptRules = "rules.kept";
constexpr const char* kRuleBundle = "rules.bundle";
constexpr const char* kRuleSerials = "rules.serials";
constexpr const char* kWaivers = "rules.waivers";

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

EnricherOptions enricher_options(const AgentConfig& config, LiveProcesses& live) {
  EnricherOptions options;
  options.processes.live = &live;
  options.excluded_cgroups = config.excluded_cgroups;
  return options;
}

RuleSource::Options rule_options(const AgentConfig& config, bool standalone) {
  RuleSource::Options options{config.rules, config.rules_key, {}, {}, {}, {}};
  if (standalone) return options;
  options.kept = config.state_dir / kKeptRules;
  options.bundle = config.state_dir / kRuleBundle;
  options.serials = config.state_dir / kRuleSerials;
  options.waivers = config.state_dir / kWaivers;
  return options;
}

std::unique_ptr<Resolver> make_resolver(const AgentConfig& config, const std::string& cgroup_root,
                                        const std::string& namespace_root) {
  ResolverParts parts{.cgroup_root = cgroup_root,
                      .runtimes = {},
                      .fallback = std::make_unique<CgroupResolver>(cgroup_root, namespace_root),
                      .completions = {},
                      .keys = config.ownership};
  parts.runtimes.push_back(std::make_unique<ContainerdResolver>(config.containerd_roots));
  parts.runtimes.push_back(std::make_unique<RuncResolver>(config.runc_roots));
  parts.runtimes.push_back(std::make_unique<StorageResolver>(config.storage_roots));
  parts.completions.push_back(std::make_unique<RootfsNames>());
  parts.completions.push_back(std::make_unique<DockerCompletion>(config.docker_root));
  if (config.cri_socket != "none") {
    RuntimeApiOptions options;
    options.timeout = std::chrono::milliseconds(config.cri_timeout_ms);
    if (!config.cri_socket.empty()) options.sockets = {config.cri_socket};
    parts.completions.push_back(std::make_unique<RuntimeCompletion>(std::move(options)));
  }
  return std::make_unique<ResolverChain>(std::move(parts));
}

}  // namespace

struct Agent::Impl {
  Impl(AgentConfig the_config, AgentMode the_mode, const RefusalCounts& refused_peers)
      : config(std::move(the_config)),
        mode(std::move(the_mode)),
        health(registry),
        sensor([this] {
          BpfSensorOptions options = sensor_options(config);
          options.cgroup_roots.push_back(Canary::usual_root());
          return options;
        }()),
        rule_updates(rule_options(config, mode.standalone), clock, rule_doors()) {
    count_in(registry, refused_peers);
  }

  absl::Status open_state();
  absl::Status beat(uint64_t boot_ns);
  absl::Status open_uplink();
  absl::Status open_recording();
  RuleUpdates::Doors rule_doors();
  absl::Status compose();
  PipelineParts parts();
  void report_start();
  void report_coverage(const RuleSet& rules);
  void check_itself();

  const AgentConfig config;
  const AgentMode mode;
  SystemClock clock;
  const std::string boot = boot_id();
  // Read beside the start: the list is long and nothing waits for it.
  std::shared_future<std::vector<std::string>> call_functions =
      std::async(std::launch::async, [] { return system_call_functions({}); }).share();
  MetricRegistry registry;
  HealthServer health;
  BpfSensor sensor;
  MachineProcesses processes{sensor, clock};
  WatchedRegistry watched;
  std::optional<Heartbeat> heartbeat;
  std::optional<CollectorMail> collector_mail;
  std::unique_ptr<RecordingWriter> recording;
  std::unique_ptr<Uplink> uplink;
  std::unique_ptr<Outlet> outlet;
  std::unique_ptr<CgroupFs> cgroups;
  std::unique_ptr<SystemResponder> responder;
  std::unique_ptr<ResponderThread> responses;
  std::unique_ptr<SightReports> sight;
  std::unique_ptr<Canary> canary;
  std::unique_ptr<IdentityService> identities;
  std::unique_ptr<Pipeline> pipeline;
  RuleUpdates rule_updates;
  std::unique_ptr<AuditLog> audit_log;
  std::atomic<bool> stopping{false};
};

absl::Status Agent::Impl::open_state() {
  std::error_code error;
  std::filesystem::create_directories(config.state_dir, error);
  if (error) {
    return absl::InternalError(
        fmt::format("make state directory {}: {}", config.state_dir.string(), error.message()));
  }
  auto opened = Heartbeat::open(config.state_dir / "heartbeat");
  if (!opened.ok()) return opened.status();
  heartbeat.emplace(std::move(*opened));
  // What was before the first agent of this node is no blind spot; what is from now on may be one.
  return heartbeat->previous() ? absl::OkStatus() : beat(clock.boot_ns());
}

absl::Status Agent::Impl::beat(uint64_t boot_ns) {
  return heartbeat->beat({Timeline::of(clock).wall_ns(boot_ns), boot_ns, boot});
}

absl::Status Agent::Impl::open_uplink() {
  const TlsFiles files{config.collector.ca, config.collector.cert, config.collector.key};
  if (absl::Status status = check_files(files); !status.ok()) return status;
  const std::filesystem::path spool_file = config.state_dir / "spool.db";
  auto spool = Spool::open(
      spool_file, {.max_bytes = config.spool_bytes, .power_safe = config.spool_power_safe});
  if (!spool.ok()) return spool.status();
  Uplink::Options options;
  options.agent_version = kVersion;
  options.boot_id = boot;
  options.kernel = kernel_release();
  options.random = [engine = std::mt19937(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<>(0.0, 1.0)(engine);
  };
  collector_mail.emplace(
      clock, spool_file, [this](Mail mail) { return pipeline->post(std::move(mail)); },
      [this](v1::Envelope envelope, Priority priority) {
        set_wall_ns(*envelope.mutable_recorded(), clock.wall_ns());
        const uint8_t urgency = spool_urgency(envelope, priority);
        uplink->publish(std::move(envelope), urgency);
      });
  Uplink::Callbacks callbacks;
  callbacks.on_command = [this](const v1::Command& command) {
    collector_mail->on_command(command);
  };
  callbacks.on_rules = [this](OfferedRules offered) { rule_updates.offer(std::move(offered)); };
  callbacks.on_waivers = [this](v1::WaiverSet set) { rule_updates.offer(std::move(set)); };
  callbacks.on_hello = [this](v1::Hello& hello) {
    rule_updates.introduce(hello);
    hello.mutable_labels()->insert(config.labels.begin(), config.labels.end());
  };
  callbacks.on_loss = [this](const UplinkLoss& loss) { collector_mail->on_loss(loss); };
  auto& heartbeat_errors =
      registry.counter("picket_heartbeat_errors_total", "Heartbeats that could not be written");
  callbacks.on_settled = [this, &heartbeat_errors](uint64_t judged_until_ns) {
    if (!collector_mail->settle(judged_until_ns)) return;
    if (!beat(judged_until_ns).ok()) heartbeat_errors.add();
  };
  uplink = std::make_unique<Uplink>(
      std::move(*spool),
      grpc_stream_factory(config.collector.address, files, config.collector.server_id),
      std::move(options), std::move(callbacks), registry);
  outlet = std::make_unique<UplinkOutlet>(*uplink);
  return absl::OkStatus();
}

absl::Status Agent::Impl::open_recording() {
  if (mode.recording.empty()) return absl::OkStatus();
  auto writer = RecordingWriter::create(mode.recording,
                                        {Timeline::of(clock).wall_minus_boot_ns, kernel_release()});
  if (!writer.ok()) return writer.status();
  recording = std::move(*writer);
  return absl::OkStatus();
}

PipelineParts Agent::Impl::parts() {
  PipelineParts parts(clock, *outlet, registry, boot);
  parts.policy =
      ResponsePolicy({.enabled = config.respond, .dry_run = config.dry_run || mode.standalone});
  parts.respond = [this](Verdict verdict) { return responses->order(std::move(verdict)); };
  parts.identify = [this](uint64_t id, std::string path, uint32_t pid) {
    identities->request({id, std::move(path), pid});
  };
  parts.losses = [this] {
    std::vector<RecordLoss> losses;
    for (const Loss& loss : sensor.losses()) {
      const EventRow* row = event_row(loss.type);
      losses.push_back({loss.workspace, std::string(row != nullptr ? row->name : kUnseenProcess),
                        loss.count, loss.from_ns, loss.to_ns});
    }
    return losses;
  };
  parts.rules_in_force = [this](const RuleSet& rules) {
    // A recording is there to be judged by other rules too.
    Interest interest = interest_of(rules);
    if (recording) interest = {.marks = interest.marks};
    const absl::Status asked = sensor.set_interest(interest);
    if (!asked.ok()) spdlog::warn("{}", asked.ToString());
    sensor.set_urgent(urgency_of(rules));
    report_coverage(rules);
  };
  parts.is_own = [this](std::string_view cgroup) { return canary->owns(cgroup); };
  parts.canary = canary->detector();
  parts.joins_api = !config.kubernetes_audit.empty();
  parts.watched = [this](const Workspace& workspace, bool is_watched) {
    watched.set(workspace, is_watched);
  };
  if (recording) {
    parts.record = [this](std::span<const std::byte> record) { recording->on_record(record); };
    parts.record_identity = [this](uint64_t id, const absl::StatusOr<Workspace>& identity) {
      recording->on_identity(identity_to_json(id, identity));
    };
  }
  return parts;
}

// Used once the agent is composed.
RuleUpdates::Doors Agent::Impl::rule_doors() {
  RuleUpdates::Doors doors;
  doors.post = [this](Mail mail) { return pipeline->post(std::move(mail)); };
  if (!mode.standalone)
    doors.publish = [this](v1::Envelope envelope) {
      outlet->publish(std::move(envelope), Priority::informational);
    };
  return doors;
}

absl::Status Agent::Impl::compose() {
  auto rules = rule_updates.first();
  if (!rules.ok()) return rules.status();
  if (absl::Status status = open_recording(); !status.ok()) return status;
  const auto cgroup_root = find_cgroup2();
  if (!cgroup_root.ok()) return cgroup_root.status();
  const std::string namespace_root = cgroup_namespace_root(CgroupTree(*cgroup_root), {});
  cgroups = std::make_unique<CgroupFs>(*cgroup_root, cgroup_mounts().v1_freezer, namespace_root);
  responder = std::make_unique<SystemResponder>(
      *cgroups, clock, [this](uint64_t id) { return watched.find(id); },
      SystemResponder::Options{.max_per_minute = config.max_actions_per_minute},
      [this](const Target& target) { return pipeline->ask_family(target, kFamilyPatience); });
  responses = std::make_unique<ResponderThread>(
      *responder, [this](const Response& response) { return pipeline->post(response); });
  sight = std::make_unique<SightReports>(health, clock, registry, boot,
                                         [this](v1::Envelope envelope, Priority severity) {
                                           outlet->publish(std::move(envelope), severity);
                                         });
  canary = std::make_unique<Canary>(
      CgroupTree(*cgroup_root), clock,
      [this](const Sight& now, const std::optional<Sight>& before) { sight->tell(now, before); });
  identities = std::make_unique<IdentityService>(
      canary->resolver(make_resolver(config, *cgroup_root, namespace_root)),
      [this](const CgroupRef& cgroup, absl::StatusOr<Workspace> identity) {
        const std::string& path = identity.ok() ? identity->cgroup : cgroup.path;
        const bool frozen = !path.empty() && cgroups->is_frozen(path);
        // Without room the workspace is given up in time, and a finding tells it.
        pipeline->post(IdentityAnswer{cgroup.id, std::move(identity), frozen});
      });
  pipeline =
      std::make_unique<Pipeline>(parts(), enricher_options(config, processes), std::move(*rules));
  if (!config.kubernetes_audit.empty())
    audit_log = std::make_unique<AuditLog>(
        config.kubernetes_audit, [this](ApiAccess access) { pipeline->post(std::move(access)); });
  return absl::OkStatus();
}

void Agent::Impl::check_itself() {
  const SelfCheckResult result = self_check(sensor, pipeline->records(), kSelfCheckDeadline);
  for (const std::string& missing : result.missing) {
    SPDLOG_ERROR("self check: {}", missing);
    pipeline->report(failed_self_check(missing, clock.boot_ns()));
  }
}

void Agent::Impl::report_start() {
  const Timeline timeline = Timeline::of(clock);
  const uint64_t now_ns = clock.boot_ns();
  const uint64_t now = timeline.wall_ns(now_ns);
  if (heartbeat && heartbeat->previous()) {
    const uint64_t last_ns = boot_ns_of(*heartbeat->previous(), boot, timeline, now_ns);
    pipeline->report(unwatched_interval(timeline.wall_ns(last_ns), now, timeline));
  }
  if (!rule_updates.refused().empty())
    pipeline->report(refused_rules(rule_updates.refused(), now_ns));
  const Coverage coverage = sensor.coverage();
  if (!coverage.tested)
    SPDLOG_WARN("self check: kernel {} is untested: its hooks were tried one by one",
                coverage.kernel);
  for (const CoverageLine& line : coverage.lines) {
    if (line.state == CoverageLine::State::attached) continue;
    SPDLOG_WARN("coverage: {} is {}: {} ({})", line.hook, state_word(line.state), line.effect,
                line.reason);
  }
}

// What is not covered is a matter of the rules too: told anew with each set of them. Pipeline
// thread.
void Agent::Impl::report_coverage(const RuleSet& rules) {
  const Coverage coverage = sensor.coverage();
  const std::vector<RuleGap> gaps = rule_gaps(coverage, rules);
  for (const RuleGap& gap : gaps) SPDLOG_WARN("coverage: {}", words(gap));
  for (const RuleInfo& rule : rules.rules()) {
    if (config.respond || !rule.enabled || rule.respond == Action::none) continue;
    SPDLOG_WARN("rules: {}:{}: rule '{}' asks for {}, and responses are switched off here",
                rule.file, rule.line, rule.name, to_string(rule.respond));
  }
  const std::vector<SystemCall> calls = system_calls(call_functions.get(), coverage.lines);
  for (const SystemCall& call : calls) {
    if (call.state == SystemCall::State::unknown)
      SPDLOG_WARN("coverage: the system call {} is {}", call.name, call.detail);
  }
  pipeline->publish(coverage_envelope(coverage, gaps, calls, clock.wall_ns()),
                    Priority::informational);
}

Agent::Agent(AgentConfig config, AgentMode mode, const RefusalCounts& refused_peers)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(mode), refused_peers)) {}

Agent::~Agent() = default;

absl::Status Agent::start() {
  Impl& agent = *impl_;
  if (agent.mode.standalone) {
    agent.outlet = std::make_unique<JsonLinesOutlet>();
  } else {
    if (absl::Status status = agent.open_state(); !status.ok()) return status;
    if (absl::Status status = agent.open_uplink(); !status.ok()) return status;
  }
  if (absl::Status status = agent.compose(); !status.ok()) return status;
  if (absl::Status status = agent.health.start(agent.config.http); !status.ok()) return status;
  if (absl::Status status = agent.sensor.start(); !status.ok()) return status;
  agent.identities->start();
  agent.responses->start();
  if (agent.uplink) agent.uplink->start();
  agent.check_itself();
  agent.report_start();
  if (absl::Status status = agent.rule_updates.start(); !status.ok()) return status;
  if (agent.audit_log) return agent.audit_log->start();
  return absl::OkStatus();
}

absl::Status Agent::run() {
  Impl& agent = *impl_;
  SPDLOG_INFO("watching");
  agent.canary->start();  // the probe says ready when the first one is back
  const absl::Status status = agent.pipeline->run(agent.sensor, agent.stopping);
  agent.canary->stop();
  agent.health.set_not_ready("stopping");
  agent.rule_updates.stop();
  if (agent.audit_log) agent.audit_log->stop();
  agent.identities->stop();
  agent.responses->stop();
  if (agent.uplink) agent.uplink->stop(std::chrono::seconds(5));
  if (agent.recording) {
    if (const absl::Status closed = agent.recording->close(); !closed.ok()) return closed;
  }
  return status;
}

void Agent::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  impl_->sensor.wake();
}

void Agent::reload_rules() { impl_->rule_updates.request(); }

}  // namespace picket
