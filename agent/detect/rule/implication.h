// Whether one condition cannot hold unless another does, so that the loader finds rules that others
// shadow: `proc.name = a` and `proc.name in (a, b)`. It need not find all of them; what it says
// follows, does. Owner: one thread; the program outlives it. Nothing fails: when its steps are used
// up, nothing follows any more.
#pragma once

#include <cstddef>

#include "agent/detect/rule/program.h"

namespace picket::rule {

class Implication {
 public:
  explicit Implication(const Program& program, size_t steps = 200'000)
      : program_(program), steps_(steps) {}

  bool follows(NodeId narrow, NodeId wide);

 private:
  bool follows(const CompiledComparison& narrow, const CompiledComparison& wide);

  const Program& program_;
  size_t steps_;  // that are left
};

}  // namespace picket::rule
