// The waivers of the active rules: whether an alert is withheld, how many were, and which waivers
// came to their end. Owner: the pipeline thread. Time is event time with the wall clock's distance,
// given from outside: without it no waiver holds. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/rule/rule_set.h"

namespace picket {

namespace rule {
class Evaluation;
struct Program;
}  // namespace rule

struct EndedWaiver {
  WaiverInfo waiver;
  uint64_t withheld = 0;  // alerts, since this agent began
};

class Waivers {
 public:
  void use(const rule::Program& program);  // counts of waivers that are as they were go on
  void set_wall_minus_boot_ns(uint64_t distance_ns) { wall_minus_boot_ns_ = distance_ns; }

  // During the evaluation's run(): the rule matched.
  bool withhold(uint32_t rule, uint64_t time_ns, rule::Evaluation& evaluation);
  // The same in two steps, for what is told later: during the run() which waivers fit, whether they
  // hold then or not; and when it is told whether one of them does.
  std::vector<std::string> fitting(uint32_t rule, rule::Evaluation& evaluation) const;
  bool withhold(const std::vector<std::string>& fitting, uint64_t time_ns);
  void on_tick(uint64_t event_time_ns);
  std::vector<EndedWaiver> take_ended();  // each once

 private:
  struct State {
    uint64_t withheld = 0;
    uint64_t end_wall_ns = 0;
    bool ended = false;
  };
  static std::string key_of(const WaiverInfo& waiver) {
    return waiver.name + '\n' + waiver.expires;
  }

  const rule::Program* program_ = nullptr;
  std::optional<uint64_t> wall_minus_boot_ns_;
  std::map<std::string, State> states_;
  std::vector<EndedWaiver> ended_;
};

}  // namespace picket
