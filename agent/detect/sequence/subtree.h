// Which processes belong together when a sequence is asked for by lineage. The subtree of a process
// is what hangs below the workspace's first process on the same branch; whoever came in from
// outside (exec) is the root of a branch of its own. A branch cannot be left: a process keeps its
// ancestors when they end. Processes of one session are one subtree as well, because the commands
// of a shell that is itself the workspace's first process are all branches of their own. A plain
// value, pipeline thread. Nothing fails; an unknown parent makes a root.
#pragma once

#include "agent/enrich/process.h"

namespace picket {

struct Subtree {
  ProcessKey root;
  uint32_t session = 0;  // 0: not known

  friend bool same_subtree(const Subtree& a, const Subtree& b) {
    return a.root == b.root || (a.session != 0 && a.session == b.session);
  }
};

Subtree subtree_of(const Process& process);

}  // namespace picket
