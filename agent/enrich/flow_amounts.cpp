#include "agent/enrich/flow_amounts.h"

#include <algorithm>

namespace picket {

FlowAmount FlowAmounts::on_flow(const pk_flow& flow) {
  const FlowAmount now{flow.bytes_in, flow.bytes_out};
  const auto known = by_socket_.find(flow.ends.socket);
  if (known == by_socket_.end()) {
    if (flow.closed != 0) return now;
    if (told_.size() >= max_flows_) {
      by_socket_.erase(told_.front().socket);
      told_.pop_front();
    }
    by_socket_[flow.ends.socket] = told_.insert(told_.end(), {flow.ends.socket, now});
    return now;
  }
  const auto at = known->second;
  const FlowAmount before = at->amount;
  if (flow.closed != 0) {
    told_.erase(at);
    by_socket_.erase(known);
  } else {
    at->amount = {std::max(now.in, before.in), std::max(now.out, before.out)};
    told_.splice(told_.end(), told_, at);
  }
  // Records of several processors may be out of order.
  return {now.in - std::min(now.in, before.in), now.out - std::min(now.out, before.out)};
}

}  // namespace picket
