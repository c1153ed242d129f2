#include "agent/detect/rule/waivers.h"

#include <utility>

#include "agent/detect/rule/evaluation.h"
#include "agent/detect/rule/program.h"

namespace picket {

void Waivers::use(const rule::Program& program) {
  program_ = &program;
  auto before = std::exchange(states_, {});
  for (const rule::Waiver& waiver : program.waivers) {
    const std::string key = key_of(waiver.info);
    states_.emplace(key, before[key]);
  }
}

bool Waivers::withhold(uint32_t rule, uint64_t time_ns, rule::Evaluation& evaluation) {
  const auto waivers = program_->waivers_of.find(rule);
  if (waivers == program_->waivers_of.end() || !wall_minus_boot_ns_.has_value()) return false;
  for (const uint32_t index : waivers->second) {
    const rule::Waiver& waiver = program_->waivers[index];
    if (time_ns + *wall_minus_boot_ns_ >= waiver.info.end_wall_ns) continue;
    if (!evaluation.holds(waiver.condition)) continue;
    ++states_[key_of(waiver.info)].withheld;
    return true;
  }
  return false;
}

void Waivers::on_tick(uint64_t event_time_ns) {
  if (!wall_minus_boot_ns_.has_value()) return;
  for (const rule::Waiver& waiver : program_->waivers) {
    if (event_time_ns + *wall_minus_boot_ns_ < waiver.info.end_wall_ns) continue;
    State& state = states_[key_of(waiver.info)];
    if (std::exchange(state.ended, true)) continue;
    ended_.push_back({waiver.info, state.withheld});
  }
}

std::vector<EndedWaiver> Waivers::take_ended() { return std::exchange(ended_, {}); }

}  // namespace picket
