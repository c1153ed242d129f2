// `picketd --coverage`: what this kernel lets the agent see, asked of it by loading every program
// once, without a collector and without watching. Main's thread. Errors: those of a start.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "agent/app/config.h"
#include "agent/sensor/bpf_sensor.h"

namespace picket {

constexpr std::chrono::milliseconds kSelfCheckDeadline{5000};

BpfSensorOptions sensor_options(const AgentConfig& config);

// One JSON object: kernel, tier, each hook, and the rules of the configuration that miss one.
absl::StatusOr<std::string> coverage_report(const AgentConfig& config);

}  // namespace picket
