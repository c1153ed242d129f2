// Which workspace has opened which FIFO, by the kernel's numbers of its file: what one writes there
// another one reads, whatever path each has for it. Owner: the pipeline thread. Errors: none;
// bounded, and what was opened longest ago is not known.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "bpf/picket/events.h"

namespace picket {

class SharedFifos {
 public:
  // The workspace that had opened it before, if that is another one; 0: nobody, or it is no FIFO.
  uint64_t learn(const pk_open& open, uint64_t workspace) {
    if (open.result < 0 || open.object.kind != PK_FD_FIFO) return 0;
    const Key key{open.object.inode, open.object.dev};
    const auto [known, is_new] = by_file_.try_emplace(key, workspace);
    if (!is_new) {
      const uint64_t before = std::exchange(known->second, workspace);
      return before != workspace ? before : 0;
    }
    order_.push_back(key);
    if (order_.size() > kMax) {
      by_file_.erase(order_.front());
      order_.pop_front();
    }
    return 0;
  }

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  static constexpr size_t kMax = 4096;

  absl::flat_hash_map<Key, uint64_t> by_file_;
  std::deque<Key> order_;
};

}  // namespace picket
