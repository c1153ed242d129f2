// What moved through a flow since it was told last: records tell what moved since it was opened.
// Bounded as the kernel's own table is; of a flow that had to be forgotten all that moved counts as
// new. Owner: the Enricher, pipeline thread. Nothing fails.
#pragma once

#include <cstdint>
#include <list>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/observation.h"
#include "bpf/picket/events.h"

namespace picket {

class FlowAmounts {
 public:
  explicit FlowAmounts(size_t max_flows = 65536) : max_flows_(max_flows) {}

  FlowAmount on_flow(const pk_flow& flow);
  size_t size() const { return by_socket_.size(); }

 private:
  struct Told {
    uint64_t socket = 0;
    FlowAmount amount;
  };
  using TellOrder = std::list<Told>;  // told longest ago first

  const size_t max_flows_;
  TellOrder told_;
  absl::flat_hash_map<uint64_t, TellOrder::iterator> by_socket_;  // of flows that go on
};

}  // namespace picket
