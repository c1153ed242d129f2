// Answers whose descendants live, to the responder: once everything that happened before it asked
// has been read from the ring. Owner: the pipeline thread. Errors: who waits no longer is answered
// in vain.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agent/enrich/process_table.h"
#include "agent/respond/family.h"
#include "common/bounded_queue.h"

namespace picket {

struct FamilyQuestion {
  Target target;
  uint64_t asked_ns = 0;  // CLOCK_BOOTTIME
  std::shared_ptr<BoundedQueue<Family>> answer;
};

// The living processes of the target's workspace; the target's process counts as its descendant.
Family family_of(const Target& target, const ProcessTable& processes);

class Families {
 public:
  void ask(FamilyQuestion question) { questions_.push_back(std::move(question)); }
  // Every record older than `read_ns` is in the table. true: somebody still waits.
  bool answer(const ProcessTable& processes, uint64_t read_ns);

 private:
  std::vector<FamilyQuestion> questions_;
};

}  // namespace picket
