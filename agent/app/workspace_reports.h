// Tells the collector which workspaces exist, in which state and with how many processes: when one
// appears, changes or ends, and when its number of processes changed, at most every ten seconds.
// Owner: the pipeline thread. Nothing fails.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/process_table.h"
#include "agent/enrich/workspace_table.h"
#include "picket/v1/fleet.pb.h"

namespace picket {

class WorkspaceReports {
 public:
  using Publish = std::function<void(const Workspace&, v1::WorkspaceState, uint32_t processes)>;

  void update(const WorkspaceTable& workspaces, const ProcessTable& processes, uint64_t now_ns,
              const Publish& publish);
  void changed(uint64_t cgroup_id);  // its state changed: the next update() tells it

 private:
  struct Told {
    v1::WorkspaceState state = v1::WORKSPACE_STATE_UNSPECIFIED;
    uint32_t processes = 0;
    bool again = false;
  };
  absl::flat_hash_map<uint64_t, Told> told_;
  uint64_t next_count_ns_ = 0;
};

}  // namespace picket
