// What the sensor sees, and what it does not, in words a person can act on. Built at start, sent to the collector,
// printed by `picketctl coverage`. Plain data: copied freely between threads.
#pragma once

#include <string>
#include <vector>

namespace picket {

struct CoverageLine {
  enum class State { attached, refused, off, failing };  // failing: attached, but its self check did not come back
  std::string hook;    // "tp_btf/sched_process_exec"
  std::string event;   // "exec"; empty for a control
  State state = State::off;
  std::string effect;  // what is therefore not seen or not prevented; empty when attached
  std::string reason;  // why: the kernel's error or the switch that turned it off
};

struct Coverage {
  std::string kernel;  // release
  std::string tier;    // "tracepoint" or "lsm"
  std::vector<CoverageLine> lines;
};

}  // namespace picket
