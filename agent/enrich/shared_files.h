// Which workspace has opened what another one reads: FIFOs, by the kernel's numbers of their file,
// whatever path each has for them, and files of memory (tmpfs) that the runtime mounted into both,
// by their place on the node: a tmpfs of a workspace's own has numbers that the next one may have
// too. Owner: the pipeline thread. Errors: none; bounded, and what was opened longest ago is not
// known.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/workspace.h"
#include "agent/event/event.h"

namespace picket {

// Where on the node a path of the workspace lies, by the mounts of its configuration; empty: in
// none of those, or in one that is not of the node.
std::string place_on_node(const Workspace& workspace, std::string_view path);

class SharedFiles {
 public:
  // The workspace that had opened it before, if that is another one; of a file one of the two has
  // to have written it. 0: nobody, or it is nothing of that kind.
  uint64_t learn(const Event& event, const pk_open& open, const Workspace& own);

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Last {
    uint64_t workspace = 0;
    bool written = false;
  };
  static constexpr size_t kMax = 4096;

  static std::optional<Key> key_of(const Event& event, const pk_open& open, const Workspace& own);

  absl::flat_hash_map<Key, Last> by_file_;
  std::deque<Key> order_;
};

}  // namespace picket
