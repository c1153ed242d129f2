// What the ring refused, as differences: the kernel's counters only grow, so nothing is lost
// between two readings. Owner: BpfSensor, pipeline thread. Errors: a counter that cannot be read
// now is read the next time.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "bpf/picket/events.h"
#include "bpf/picket/policy.h"

namespace picket {

struct Loss {
  pk_type type =
      PK_NONE;  // PK_NONE: a process that could not be labelled, so nothing of it is seen
  uint64_t workspace = 0;  // cgroup id; 0: none, or not attributable any more
  uint64_t count = 0;
  uint64_t from_ns = 0;  // CLOCK_BOOTTIME: all losses lie in [from_ns, to_ns]
  uint64_t to_ns = 0;
};

class LossCounters {
 public:
  LossCounters(int losses, int cgroups, pk_reader& shared)
      : losses_(losses), cgroups_(cgroups), shared_(shared) {}

  // One counter per type without a workspace, for the time when the table is full.
  absl::Status prepare(uint64_t now_ns);
  std::vector<Loss> read(uint64_t (*now_ns)());

 private:
  void forget(const pk_loss_key& key);

  int losses_;
  int cgroups_;
  pk_reader& shared_;
  uint64_t last_read_ns_ = 0;
  uint64_t quiet_ns_ = 0;  // the last look, also when it found nothing
  std::map<std::pair<uint64_t, uint32_t>, uint64_t>
      told_;  // (workspace, type) -> count already told
};

}  // namespace picket
