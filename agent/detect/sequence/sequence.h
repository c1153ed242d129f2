// A sequence as it was compiled: which steps, in which time, of whom. Immutable plain data, part of
// a rule set; any thread may read it. Nothing fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace picket {

struct SequenceStep {
  std::string name;
  bool absent = false;               // it must not happen between its neighbours
  uint64_t count = 1;                // of events, or of values of `distinct`
  std::optional<uint32_t> distinct;  // index into Program::slots
  std::optional<uint32_t> sum;       // the same: `count` is what its values must come to
};

// Whose events belong together.
enum class SequenceBy : uint8_t { lineage, workspace, owner };

struct Sequence {
  SequenceBy by = SequenceBy::lineage;
  uint64_t window_ns = 0;
  std::vector<SequenceStep> steps;  // the first one happens; no two absent ones side by side
  std::string text;                 // as written: equal texts mean the same over a reload

  // The first step from `step` on that happens; steps.size(): none does.
  size_t next(size_t step) const {
    while (step < steps.size() && steps[step].absent) ++step;
    return step;
  }
  bool ends_absent() const { return steps.back().absent; }
};

}  // namespace picket
