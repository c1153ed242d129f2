// The kernel as an event source: one ring, read in place; before its first record, the cgroups and
// processes that existed. Owner: the pipeline thread; start() may run on the thread that composes
// the agent, before the first poll(). Errors: start() says in words what this machine lacks; a hook
// that the kernel refuses is a coverage line, not an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sensor/coverage.h"
#include "agent/sensor/features.h"
#include "agent/sensor/interest.h"
#include "agent/sensor/loss_counters.h"
#include "agent/sensor/probes.h"
#include "agent/sensor/ring_reader.h"
#include "agent/sensor/source.h"
#include "agent/sensor/task_walk.h"
#include "agent/sensor/workspace_scope.h"
#include "bpf/picket/policy.h"

namespace picket {

struct BpfSensorOptions {
  uint64_t ring_bytes = 1 << 20;  // a power of two, at least one page
  bool compat_calls = true;       // see 32-bit calls, at the price of a hook on every system call
  bool lsm = true;                // the LSM tier too, where the kernel takes it
  // A flow through which bytes move is told with the first packet after this.
  std::chrono::nanoseconds flow_interval{std::chrono::seconds(60)};
  // How often processes are looked at that keep processors busy; nothing: never.
  std::chrono::nanoseconds cpu_interval{std::chrono::seconds(10)};
  uint32_t cpu_least_percent = 50;        // of one processor: who wanted less is not told
  std::vector<std::string> cgroup_roots;  // every direct child is a workspace
  std::vector<std::string>
      exclude;  // cgroups that never are, nor what lies below; the agent's own is added
  Machine machine;
};

class BpfSensor final : public EventSource {
 public:
  explicit BpfSensor(BpfSensorOptions options);
  ~BpfSensor() override;

  absl::Status start() override;
  absl::StatusOr<size_t> poll(EventSink& sink, std::chrono::milliseconds timeout) override;
  void wake() override;

  // Which records end a wait at once; before the first call all of them do. Pipeline thread.
  void set_urgent(const Urgency& urgency) { ring_->set_urgent(urgency); }
  // What is told at all; before the first call everything is. Pipeline thread.
  absl::Status set_interest(const Interest& interest) { return interest_->set(interest); }
  uint64_t wakeups() const { return ring_->wakeups(); }

  Coverage coverage() const;
  // The self check found that this event does not come back although its hook is attached.
  void mark_failing(std::string_view event, const std::string& reason);

  // The kernel's label of who drives a process: false and nullopt when it has none of it. Pipeline
  // thread.
  bool set_lineage(const pk_process_key& process, const pk_lineage& lineage);
  std::optional<pk_lineage> lineage(const pk_process_key& process) const;

  // What the ring refused since the last call.
  std::vector<Loss> losses();

  // A cgroup becomes a workspace on request; its processes are told with the next polls. unwatch()
  // leaves it out for good.
  absl::Status watch(uint64_t cgroup_id);
  void unwatch(uint64_t cgroup_id);

  const CgroupTree& cgroups() const { return scope_->tree(); }

 private:
  absl::Status choose_workspaces();
  absl::Status leave_out_own_cgroup();
  void retry_missing_roots();

  void start_walk();
  size_t deliver_before_ring(EventSink& sink);
  size_t look_for_busy(EventSink& sink);

  BpfSensorOptions options_;
  std::optional<Probes> probes_;
  std::optional<InterestWriter> interest_;
  std::optional<WorkspaceScope> scope_;
  std::optional<LossCounters> losses_;
  std::unique_ptr<RingReader> ring_;
  std::vector<CoverageLine> lines_;
  std::vector<std::string> missing_roots_;

  std::deque<Record> pending_;  // made in user space, delivered first
  TaskWalk walk_;               // while existing processes are being told
  uint64_t next_look_ns_ = 0;   // at who is busy
};

}  // namespace picket
