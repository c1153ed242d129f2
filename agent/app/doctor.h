// `picketd --doctor`: what this node can and cannot do, and why, one sentence after the other: what
// the agent needs, what it was configured with, what the kernel lets it see. The same code that
// decides at a start. Main's thread. Nothing fails: what cannot be found out is itself told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/app/config.h"
#include "agent/app/coverage_report.h"
#include "agent/sensor/features.h"

namespace picket {

struct NodeCheck {
  enum class State { ok, limited, failed };  // failed: the agent does not start, or sees nothing
  std::string subject;                       // "rules"
  State state = State::ok;
  std::string words;  // what is, and what to do about it
};

constexpr std::string_view state_word(NodeCheck::State state) {
  switch (state) {
    case NodeCheck::State::ok:
      return "ok";
    case NodeCheck::State::limited:
      return "limited";
    case NodeCheck::State::failed:
      return "failed";
  }
  return "failed";
}

// What can be told without loading a program. `whole`: the configuration names a collector.
std::vector<NodeCheck> check_node(const AgentConfig& config, const Machine& machine, bool whole);
// What a kernel's coverage means.
std::vector<NodeCheck> check_coverage(const MeasuredCoverage& measured);

// All of it, of this machine; an object of JSON a line.
std::string doctor_report(const std::filesystem::path& config_file);

}  // namespace picket
