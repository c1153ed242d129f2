// `picketd --coverage`: what this kernel lets the agent see, asked of it by loading every program
// once, without a collector and without watching. Main's thread. Errors: those of a start.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/app/config.h"
#include "agent/app/rule_gaps.h"
#include "agent/sensor/bpf_sensor.h"
#include "agent/sensor/self_check.h"

namespace picket {

constexpr std::chrono::milliseconds kSelfCheckDeadline{5000};

BpfSensorOptions sensor_options(const AgentConfig& config);

struct MeasuredCoverage {
  Coverage coverage;
  SelfCheckResult check;
  std::vector<RuleGap> gaps;  // of the rules of the configuration
  std::vector<SystemCall> calls;
};

absl::StatusOr<MeasuredCoverage> measure_coverage(const AgentConfig& config);

// One JSON object: kernel, tier, each hook, and the rules of the configuration that miss one.
absl::StatusOr<std::string> coverage_report(const AgentConfig& config);

}  // namespace picket
