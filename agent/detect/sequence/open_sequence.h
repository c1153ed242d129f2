// One open sequence: what was seen of it, and what it waits for. Internal to the tracker, pipeline
// thread. Nothing fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/finding.h"
#include "agent/detect/sequence/sequence.h"
#include "agent/detect/sequence/subtree.h"
#include "agent/detect/sequence/window_counter.h"
#include "agent/detect/sequence/window_sum.h"

namespace picket {

// Stands in an output for a number that still grows; no printed value contains it.
inline constexpr std::string_view kCountMark = "\x01";

// One more beginning of a sequence that counts: it may have time left when the first one has not.
struct LaterBegin {
  Subtree subtree;
  uint64_t first_ns = 0, since_ns = 0;
  std::vector<FindingStep> evidence;
};

struct OpenSequence {
  Subtree subtree;
  size_t next = 0;  // the step that is waited for; steps.size(): the end of the time
  uint64_t first_ns = 0, last_ns = 0;
  uint64_t since_ns = 0;  // when it came to wait for that step: what happened before is none
  uint64_t ended_ns = 0;  // when what was to be absent happened; 0: it has not
  std::vector<FindingStep> evidence;
  WindowCounter counter;             // of the step that is waited for, where it counts
  WindowSum sum;                     // the same, where it adds up
  std::vector<LaterBegin> later;     // the same, where it counts: the earliest in front
  size_t counted = 0;                // pieces of evidence of that step, the last ones
  uint64_t serial = 0;               // of the events that it counted
  uint64_t number = 0;               // how far a counting step came
  std::optional<Finding> finding;    // complete: it waits for the end, or was told and goes on
  std::string output;                // of the finding, with the mark for its number
  bool grew = false;                 // since it was told
  std::vector<std::string> waivers;  // that fitted when all but the absence was there

  // A first step that counts has no beginning: its window slides.
  bool slides() const { return next == 0; }
  uint64_t end_ns(const Sequence& sequence) const {
    return (slides() ? last_ns : first_ns) + sequence.window_ns;
  }

  uint64_t last_end_ns(const Sequence& sequence) const {
    return later.empty() ? end_ns(sequence) : later.back().first_ns + sequence.window_ns;
  }
  bool is_of(const Subtree& other) const;
  uint64_t amount(const SequenceStep& step) const {
    return step.sum.has_value() ? sum.total() : counter.size();
  }

  // That waits for the same step, which counts: what it counted is among what this one did.
  void absorb(OpenSequence& other);
  void take_later();  // the next beginning becomes the first
  // Of several beginnings those of that subtree go, unless it is all of them.
  bool keeps_others(const Subtree& ended, uint64_t time_ns);
  // Of the step that counts: the first pieces stay, and the last one.
  void add_counted(FindingStep piece);
  void forget_before(uint64_t time_ns);       // of what is counted
  void begin_again();                         // it slid so far that what was told is over
  void reach(size_t step, uint64_t time_ns);  // the next one that is waited for
  Finding told_now();                         // the finding with the number as it is
};

}  // namespace picket
