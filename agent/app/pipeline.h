// The agent's one data path: record, event, observation, finding, verdict, envelope. Its thread
// owns the process and workspace tables, the detectors and the policy; everything else reaches it
// as Mail. Nothing here blocks. Errors: a bad record is counted by reason and dropped; what was
// lost or could not be done becomes a finding.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/app/agent_sessions.h"
#include "agent/app/api_accesses.h"
#include "agent/app/blind_spots.h"
#include "agent/app/families.h"
#include "agent/app/mail.h"
#include "agent/app/outlet.h"
#include "agent/app/workspace_reports.h"
#include "agent/detect/engine.h"
#include "agent/detect/rule/rule_detector.h"
#include "agent/enrich/enricher.h"
#include "agent/respond/policy.h"
#include "agent/sensor/source.h"
#include "common/bounded_queue.h"
#include "common/clock.h"
#include "common/metrics.h"

namespace picket {

// Records of one type that the kernel had to refuse.
struct RecordLoss {
  uint64_t cgroup_id = 0;  // of the workspace; 0: not attributable
  std::string event;
  uint64_t count = 0;
  uint64_t from_ns = 0, to_ns = 0;  // CLOCK_BOOTTIME: the bounds
};

// What the pipeline is made of. Everything outlives it.
struct PipelineParts {
  PipelineParts(const Clock& the_clock, Outlet& the_outlet, MetricRegistry& the_registry,
                std::string the_boot_id)
      : clock(the_clock),
        outlet(the_outlet),
        registry(the_registry),
        boot_id(std::move(the_boot_id)) {}

  const Clock& clock;
  Outlet& outlet;
  MetricRegistry& registry;
  std::string boot_id;
  ResponsePolicy policy;
  std::function<bool(Verdict)> respond;  // false: the responder's queue is full
  std::function<void(uint64_t, std::string, uint32_t)> identify;
  std::function<std::vector<RecordLoss>()> losses;     // since the last call
  std::function<void(const RuleSet&)> rules_in_force;  // before the first event, and at each reload
  std::function<void(std::span<const std::byte>)> record;                           // may be empty
  std::function<void(uint64_t, const absl::StatusOr<Workspace>&)> record_identity;  // may be empty
  // Cgroups of the agent's own canaries: judged like all others, told to nobody. May be empty.
  std::function<bool(std::string_view)> is_own;
  std::unique_ptr<Detector> canary = nullptr;  // may be empty
  bool joins_api = false;                      // ApiAccess will come
  std::function<void(const Workspace&, bool)>
      watched;  // a workspace is known (true) or gone (false)
};

class Pipeline final : private EventSink, private ObservationSink, private FindingSink {
 public:
  Pipeline(PipelineParts parts, EnricherOptions options, std::shared_ptr<const RuleSet> rules);
  ~Pipeline() override;

  // Until `stop`; returns early only when the source is finished or broken.
  absl::Status run(EventSource& source, const std::atomic<bool>& stop);
  // Any thread. false: the mailbox is full, and the sender counts it.
  bool post(Mail mail);
  // Any thread but the pipeline's: waits until all that happened before the call was read.
  absl::StatusOr<Family> ask_family(const Target& target, std::chrono::milliseconds patience);

  // Of the pipeline thread, or before run().
  void report(Finding finding) { on_finding(std::move(finding)); }
  void publish(v1::Envelope envelope, Priority severity);
  const ProcessTable& processes() const { return enricher_.processes(); }
  EventSink& records() {
    return *this;
  }  // where records enter, for who reads the source in its stead

 private:
  struct Metrics;

  void on_record(std::span<const std::byte> record) override;
  void on_observation(const Observation& observation) override;
  void on_finding(Finding finding) override;

  bool is_own(const Workspace& workspace) const {
    return parts_.is_own && parts_.is_own(workspace.cgroup);
  }
  void keep(const Event& event, std::span<const std::byte> record);
  void open_mail();
  void read(IdentityAnswer answer);
  void read(const v1::Command& command);
  void read(const Response& response);
  void read(NewRules rules);
  void read(const RefusedRules& refused);
  void read(const DeliveryLoss& loss);
  void read(ApiAccess access) { api_.add(std::move(access), parts_.clock.boot_ns()); }
  void read(const ProgramHash& hash);
  void read(FamilyQuestion question) { families_.ask(std::move(question)); }

  absl::Status take(EventSource& source, std::chrono::milliseconds timeout);
  std::chrono::milliseconds until_tick(uint64_t now_ns) const;
  void answer_families();
  void tell_identity(const Workspace* before, const Workspace* now);
  void remember(const Response& response);
  void tick(uint64_t now_ns);
  void tell_inventory();
  void tell_session(const AgentSession& session);
  void report_losses(uint64_t now_ns);
  void tell_judged();
  void tell_ended_waivers(uint64_t now_ns);
  void order(Verdict verdict);
  Workspace workspace_by_cgroup(uint64_t cgroup_id);

  PipelineParts parts_;
  std::unique_ptr<Metrics> metrics_;
  Enricher enricher_;
  Engine engine_;
  RuleDetector* rules_;  // owned by the engine
  WorkspaceReports reports_;
  AgentSessions sessions_;
  Families families_;
  ApiAccesses api_;
  // Findings of rules whose response failed, and when: their repeats act again.
  absl::flat_hash_map<std::string, uint64_t> failed_;
  BoundedQueue<Mail> mailbox_{4096};
  ProgramHashes hashes_{[this](ProgramHash hash) { post(std::move(hash)); }};
  EventSource* source_ = nullptr;
  Timeline timeline_;
  EnricherStats seen_stats_;
  bool inventory_told_ = false;
  uint64_t quiet_ns_ = 0;        // the ring was empty then
  uint64_t judged_ns_ = 0;       // no older record is in the ring
  uint64_t told_judged_ns_ = 0;  // what the outlet knows of it
  uint64_t next_tick_ns_ = 0;
  uint64_t last_tick_ns_ = 0;
};

}  // namespace picket
