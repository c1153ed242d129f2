// What the sensor sees, and what it does not, in words a person can act on. Built at start, sent to
// the collector, printed by `picketctl coverage`. Plain data: copied freely between threads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace picket {

struct CoverageLine {
  // failing: attached, but its self check did not come back
  enum class State { attached, refused, off, failing };
  std::string hook;   // "tp_btf/sched_process_exec"
  std::string event;  // "exec"; empty for a control
  State state = State::off;
  std::string effect;  // what is therefore not seen or not prevented; empty when attached
  std::string reason;  // why: the kernel's error or the switch that turned it off
};

constexpr std::string_view state_word(CoverageLine::State state) {
  switch (state) {
    case CoverageLine::State::attached:
      return "attached";
    case CoverageLine::State::refused:
      return "refused";
    case CoverageLine::State::off:
      return "off";
    case CoverageLine::State::failing:
      return "failing";
  }
  return "off";
}

struct SystemCall {
  // unseen: watched, but no attached hook of this node tells of it
  enum class State { watched, ignored, unknown, unseen };
  std::string name;  // as programs know it
  State state = State::unknown;
  std::string detail;  // the event that tells of it; why it is ignored
};

constexpr std::string_view state_word(SystemCall::State state) {
  switch (state) {
    case SystemCall::State::watched:
      return "watched";
    case SystemCall::State::ignored:
      return "ignored";
    case SystemCall::State::unknown:
      return "unknown";
    case SystemCall::State::unseen:
      return "unseen";
  }
  return "unknown";
}

struct Coverage {
  std::string kernel;  // release
  bool tested = true;  // the tests of Picket run on a kernel of this series
  std::string tier;    // "tracepoint" or "lsm"
  std::vector<CoverageLine> lines;
};

}  // namespace picket
