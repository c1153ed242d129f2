// Which processes belong together when a sequence is asked for by lineage. The subtree of a process
// is what hangs below the workspace's first process on the same branch; whoever came in from
// outside (exec) is the root of a branch of its own. A branch cannot be left: a process keeps its
// ancestors when they end. Processes of one session are one subtree as well, because the commands
// of a shell that is itself the workspace's first process are all branches of their own; whoever of
// them leaves that session (setsid) still belongs to those that did not. A plain value, pipeline
// thread. Nothing fails; an unknown parent makes a root.
#pragma once

#include "agent/enrich/process.h"

namespace picket {

struct Subtree {
  ProcessKey root;
  uint32_t session = 0;        // 0: not known
  uint32_t first_session = 0;  // of the workspace's first process, whose child the root is; 0: none

  // Not transitive: two branches that one session joins may each go on in another one.
  friend bool same_subtree(const Subtree& a, const Subtree& b) {
    const auto is_one = [](uint32_t one, uint32_t other) { return one != 0 && one == other; };
    return a.root == b.root || is_one(a.session, b.session) || is_one(a.session, b.first_session) ||
           is_one(a.first_session, b.session);
  }
  friend bool operator==(const Subtree&, const Subtree&) = default;
};

Subtree subtree_of(const Process& process);

}  // namespace picket
