// The SHA-256 of programs that alerts are about and that no image holds: of the writable layer, of
// memory, deleted, or handed to the dynamic loader. The pipeline takes hold of what runs, which
// never waits, and goes on; a thread of its own opens and reads it, and the alert is told again
// with the field proc.exe_sha256. Errors: none; a program that has ended, is too large or comes
// while too many wait has no hash, and nothing has one any more after a file system that does not
// answer (a workspace's own): nobody waits for the thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/finding.h"

namespace picket {

struct ProgramId {
  ProcessKey process;
  uint64_t inode = 0;  // of its program: another exec is another one
  friend bool operator==(const ProgramId&, const ProgramId&) = default;
  template <class H>
  friend H AbslHashValue(H hash, const ProgramId& id) {
    return H::combine(std::move(hash), id.process.pid, id.process.start_ns, id.inode);
  }
};

struct ProgramHash {
  ProgramId program;
  std::string sha256;  // hexadecimal; empty: it could not be read
};

class ProgramHashes {
 public:
  using Answer = std::function<void(ProgramHash)>;  // from the thread

  explicit ProgramHashes(Answer answer);
  ~ProgramHashes();  // no answer comes after it

  // Pipeline thread: puts the hash into the finding, or asks for it. `process`: the finding's, as
  // far as it is known.
  void note(Finding& finding, const Process* process);
  // Pipeline thread: the findings that waited for this, to be told again.
  std::vector<Finding> complete(const ProgramHash& hash);

 private:
  struct Worker;  // what the thread has, which may outlive this

  absl::flat_hash_map<ProgramId, std::string> known_;
  std::deque<ProgramId> known_order_;
  absl::flat_hash_map<ProgramId, std::vector<Finding>> waiting_;
  std::shared_ptr<Worker> worker_;
};

}  // namespace picket
