// Which namespaces are a workspace's own: those that its processes were started in or made. One
// that is first seen because a process joined it came from elsewhere: the node, another container.
// What a runtime does on its way into the workspace is not the workspace's doing, and teaches
// nothing. Owner: the pipeline thread, one for each workspace. Errors: none; a workspace with more
// than kMax namespaces is not judged by the further ones.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/process.h"
#include "agent/event/event.h"

namespace picket {

class Namespaces {
 public:
  static constexpr size_t kMax = 65536;

  // Takes in what the event says. True when it joins a namespace that is not the workspace's,
  // reaches a file through the mounts of one, or runs a program in a directory of one. `process`:
  // as it is after the event.
  bool apply(const Event& event, const Process& process);

 private:
  bool is_foreign(uint32_t inum, bool joined);

  absl::flat_hash_map<uint32_t, bool> foreign_;  // by inode number, as it was first seen
};

}  // namespace picket
