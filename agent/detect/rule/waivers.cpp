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
    State& state = states_.emplace(key, before[key]).first->second;
    state.end_wall_ns = waiver.info.end_wall_ns;
  }
}

bool Waivers::withhold(uint32_t rule, uint64_t time_ns, rule::Evaluation& evaluation) {
  return withhold(fitting(rule, evaluation), time_ns);
}

std::vector<std::string> Waivers::fitting(uint32_t rule, rule::Evaluation& evaluation) const {
  std::vector<std::string> keys;
  const auto waivers = program_->waivers_of.find(rule);
  if (waivers == program_->waivers_of.end() || !wall_minus_boot_ns_.has_value()) return keys;
  for (const uint32_t index : waivers->second) {
    const rule::Waiver& waiver = program_->waivers[index];
    if (evaluation.holds(waiver.condition)) keys.push_back(key_of(waiver.info));
  }
  return keys;
}

bool Waivers::withhold(const std::vector<std::string>& fitting, uint64_t time_ns) {
  for (const std::string& key : fitting) {
    const auto state = states_.find(key);
    if (state == states_.end() || time_ns + *wall_minus_boot_ns_ >= state->second.end_wall_ns)
      continue;
    ++state->second.withheld;
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
