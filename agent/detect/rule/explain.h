// A compiled condition in words: what is left of a rule for one event, with lists and macros
// expanded. Pure, any thread; nothing fails.
#pragma once

#include <string>

#include "agent/detect/rule/program.h"

namespace picket {

struct ExplainedCondition {
  std::string event;      // schema name
  std::string condition;  // "always" when the event's type decides it
  std::string step;       // of a sequence; else empty
};

std::vector<ExplainedCondition> explain(const rule::Program& program, uint32_t rule);

}  // namespace picket
