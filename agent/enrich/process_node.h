// A Process with its places in the ProcessTable: below its parent, and in the order of age.
// Internal to the table. Owner: the ProcessTable, pipeline thread. Nothing fails: the hooks of
// Boost.Intrusive assert that a node leaves its lists before it dies.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "agent/enrich/process.h"

namespace picket {

struct SiblingTag;
struct AgeTag;
using SiblingHook = boost::intrusive::list_base_hook<boost::intrusive::tag<SiblingTag>>;
using AgeHook = boost::intrusive::list_base_hook<boost::intrusive::tag<AgeTag>>;

// What a process's program did with files (file_sources.h).
struct FileUse {
  bool connected = false;             // it has opened a connection
  FileSourcePtr read;                 // of the last file it opened whose writing was seen
  std::shared_ptr<FileSource> wrote;  // of the last file it opened for writing
  uint64_t wrote_inode = 0;
};

struct ProcessNode : Process, SiblingHook, AgeHook {
  using Siblings = boost::intrusive::list<ProcessNode, boost::intrusive::base_hook<SiblingHook>,
                                          boost::intrusive::constant_time_size<false>>;

  ProcessNode* parent_node() const {
    return const_cast<ProcessNode*>(static_cast<const ProcessNode*>(parent));
  }

  Siblings children;
  uint64_t state_ns =
      0;  // time of the newest fork, exec or found record that was applied; 0: none yet
  uint64_t exit_ns = 0;
  uint64_t clone_flags = 0;
  uint64_t driver_told_ns = 0;  // when the kernel was last told who drives it
  uint16_t depth = 0;           // of the lineage above
  bool rootless = false;        // nobody inside the workspace is known to have started it
  bool waits = false;           // for its parent to become known
  bool blank = false;        // forked when nothing was known about its parent: inherits when it is
  bool held = false;         // exited, past its grace, kept for its descendants
  uint8_t environments = 0;  // of its children that were read; what agents mark is found in them
  std::unique_ptr<FileUse> files;  // nullptr: nothing yet
};

using ProcessesByAge = boost::intrusive::list<ProcessNode, boost::intrusive::base_hook<AgeHook>,
                                              boost::intrusive::constant_time_size<false>>;

}  // namespace picket
