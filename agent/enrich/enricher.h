// From events to observations: gives each event its process and its workspace. While it is not yet
// known who a workspace is, its records wait (copied, in order) and the tables are not touched: an
// observation that is let through later still sees the process as it was at its event. Owner: the
// pipeline thread; identity is resolved elsewhere and handed back. Errors: an identity that fails
// or comes too late is reported by a callback and the events go on with what the cgroup's path
// says; the bounds of what waits, and all that is dropped, are counted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/enrich/flow_amounts.h"
#include "agent/enrich/observation.h"
#include "agent/enrich/own_addresses.h"
#include "agent/enrich/peer_names.h"
#include "agent/enrich/process_table.h"
#include "agent/enrich/relays.h"
#include "agent/enrich/shared_files.h"
#include "agent/enrich/workspace_table.h"

namespace picket {

struct ObservationSink {
  virtual ~ObservationSink() = default;
  virtual void on_observation(const Observation& observation) = 0;  // valid during the call only
};

struct EnricherOptions {
  ProcessTableOptions processes;
  size_t max_workspaces = 1024;
  uint64_t identity_wait_ns =
      5'000'000'000;  // event time from the request until the records go on without it
  uint64_t identity_retry_ns =
      30'000'000'000;  // an unresolved workspace asks again with its next event after this
  size_t max_held_records = 8192;             // of one workspace
  size_t max_held_bytes = 16 << 20;           // of all
  uint64_t gone_grace_ns = 10'000'000'000;    // late records of a removed workspace still find it
  std::vector<std::string> excluded_cgroups;  // these, and what is below them
};

struct EnricherStats {
  uint64_t observations = 0;
  uint64_t outside = 0;          // events of processes in no workspace: tables only
  uint64_t held = 0;             // records that waited for an identity
  uint64_t excluded = 0;         // records of excluded workspaces, dropped
  uint64_t refused = 0;          // records dropped because the workspace table was full
  uint64_t never_entered = 0;    // records of workspaces that ended before a process entered them
  uint64_t unresolved = 0;       // identities that failed, or were given up by time or count
  uint64_t incomplete = 0;       // identities of which the runtime did not tell all
  uint64_t resolved_late = 0;    // came, or became whole, after that
  uint64_t unwanted = 0;         // identities that nobody waited for
  uint64_t cgroups_refused = 0;  // cgroups below workspaces that found no place
};

// Asks for the identity of a workspace: `path` may be empty (unknown), `pid` is a process in it.
using IdentityRequest = std::function<void(uint64_t cgroup_id, std::string path, uint32_t pid)>;
// Tells that it is not known, or not wholly, who `workspace` is, and why.
using IdentityFailure = std::function<void(const Workspace& workspace, const absl::Status& why)>;

// Tells, before the first observation under it, that a workspace is known as `now` from here on:
// identified, or by what its path says. `before`: what it was known as until now. nullptr: it was
// not, or is none any more because it is excluded.
using IdentityChange = std::function<void(const Workspace* before, const Workspace* now)>;

class Enricher {
 public:
  Enricher(EnricherOptions options, IdentityRequest request, IdentityFailure failure,
           IdentityChange change = {});

  void on_event(const Event& event, ObservationSink& sink);
  void on_identity(uint64_t cgroup_id, absl::StatusOr<Workspace> identity, ObservationSink& sink);
  // Lets records go on whose workspace has waited too long; for times without events.
  void on_tick(uint64_t event_time_ns, ObservationSink& sink);

  // What says who drives a process, from its next exec on.
  void set_origins(std::shared_ptr<const Origins> origins) {
    processes_.set_origins(std::move(origins));
  }

  const ProcessTable& processes() const { return processes_; }
  WorkspaceTable& workspaces() { return workspaces_; }
  const EnricherStats& stats() const { return stats_; }
  // Of the records that wait for an identity; nullopt: none does.
  std::optional<uint64_t> oldest_waiting_ns() const;

 private:
  void on_outside_event(const Event& event);
  bool is_excluded(const Workspace& workspace) const;
  void learn_path(WorkspaceEntry& entry, const Event& event);
  void ask(WorkspaceEntry& entry, uint32_t pid, uint64_t time_ns);
  void hold(WorkspaceEntry& entry, const Event& event, ObservationSink& sink);
  void give_up(WorkspaceEntry& entry, const absl::Status& why, ObservationSink& sink);
  void exclude(WorkspaceEntry& entry);
  void tell_change(const Workspace* before, const Workspace* now) const;
  void let_go(WorkspaceEntry& entry, ObservationSink& sink);
  void observe(WorkspaceEntry& entry, const Event& event, ObservationSink& sink);
  void on_cgroup(WorkspaceEntry& entry, const Event& event, const pk_cgroup& cgroup);
  HeldRecords take_held(WorkspaceEntry& entry);
  std::string_view learn_names(const Event& event);
  const Workspace* learn_peer(const WorkspaceEntry& entry, const Event& event);
  const Workspace* learn_namespaces(const WorkspaceEntry& entry, const Process& process);
  const Workspace* other_workspace(const WorkspaceEntry& entry, uint64_t cgroup_id) const;
  const Process* target_of(const Event& event) const;
  void tell_started(WorkspaceEntry& entry, const Event& event, const Process& process,
                    ObservationSink& sink);
  void tell_relayed(const WorkspaceEntry& entry, ObservationSink& sink,
                    const std::vector<pk_relayed>& found) const;

  EnricherOptions options_;
  IdentityRequest request_;
  IdentityFailure failure_;
  IdentityChange change_;
  EnricherStats stats_;
  ProcessTable processes_;
  WorkspaceTable workspaces_;
  PeerNames names_;
  Relays relays_;
  OwnAddresses addresses_;
  SharedFiles files_;
  // Who has which network and process namespace, by its first program.
  absl::flat_hash_map<uint32_t, uint64_t> namespaces_;
  FlowAmounts flows_;
  DnsMessage message_;  // room that is used again
  uint64_t now_ns_ = 0;
  uint64_t next_check_ns_ = 0;  // earliest moment at which something may be due
  size_t held_bytes_ = 0;
};

}  // namespace picket
