#include "agent/app/coverage_report.h"

#include <nlohmann/json.hpp>

#include "agent/app/rules.h"
#include "agent/sensor/system_calls.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

// Records of workspaces that happen to run: nobody judges them here.
struct Ignore final : EventSink {
  void on_record(std::span<const std::byte>) override {}
};

Json object_of(const CoverageLine& line) {
  return {{"hook", line.hook},
          {"event", line.event},
          {"state", state_word(line.state)},
          {"effect", line.effect},
          {"reason", line.reason}};
}

Json object_of(const RuleGap& gap) {
  Json hooks = Json::array();
  for (const CoverageLine& line : gap.missing) hooks.push_back(line.hook);
  return {{"rule", gap.rule},
          {"never_matches", gap.never_matches},
          {"hooks", std::move(hooks)},
          {"words", words(gap)}};
}

}  // namespace

BpfSensorOptions sensor_options(const AgentConfig& config) {
  BpfSensorOptions options;
  options.ring_bytes = config.ring_bytes;
  options.compat_calls = config.compat_calls;
  options.flow_interval = std::chrono::seconds(config.flow_interval_seconds);
  options.cpu_interval = std::chrono::seconds(config.cpu_interval_seconds);
  options.cpu_least_percent = static_cast<uint32_t>(config.cpu_least_percent);
  options.cgroup_roots = config.cgroup_roots;
  options.exclude = config.excluded_cgroups;
  return options;
}

absl::StatusOr<MeasuredCoverage> measure_coverage(const AgentConfig& config) {
  const auto rules = read_rules(config.rules);
  if (!rules.ok()) return rules.status();
  BpfSensor sensor(sensor_options(config));
  if (absl::Status status = sensor.start(); !status.ok()) return status;
  Ignore nobody;
  MeasuredCoverage measured;
  measured.check = self_check(sensor, nobody, kSelfCheckDeadline);
  measured.coverage = sensor.coverage();
  measured.gaps = rule_gaps(measured.coverage, *rules->set);
  measured.calls = system_calls(system_call_functions({}), measured.coverage.lines);
  return measured;
}

absl::StatusOr<std::string> coverage_report(const AgentConfig& config) {
  const auto measured = measure_coverage(config);
  if (!measured.ok()) return measured.status();
  const Coverage& coverage = measured->coverage;
  Json report{{"kernel", coverage.kernel}, {"tested", coverage.tested}, {"tier", coverage.tier}};
  report["lines"] = Json::array();
  for (const CoverageLine& line : coverage.lines) report["lines"].push_back(object_of(line));
  report["rule_gaps"] = Json::array();
  for (const RuleGap& gap : measured->gaps) report["rule_gaps"].push_back(object_of(gap));
  report["system_calls"] = Json::array();
  for (const SystemCall& call : measured->calls)
    report["system_calls"].push_back(
        {{"syscall", call.name}, {"state", state_word(call.state)}, {"detail", call.detail}});
  report["self_check"] = measured->check.missing;
  return json_line(report);
}

}  // namespace picket
