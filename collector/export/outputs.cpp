#include "collector/export/outputs.h"

#include <random>

#include "collector/export/destinations.h"

namespace picket {
namespace {

std::function<double()> jitter() {
  return [random = std::mt19937(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(random);
  };
}

}  // namespace

Outputs::Outputs(const std::vector<OutputConfig>& configs, const std::string& version, Store& store,
                 Writer& writer, const Clock& clock, MetricRegistry& registry) {
  for (const OutputConfig& config : configs) {
    runners_.push_back(std::make_unique<OutputRunner>(
        OutputRunner::Options{.name = config.name,
                              .kind = kind_of(config),
                              .filter = config.filter,
                              .from_oldest = config.from_oldest,
                              .random = jitter()},
        make_output(config, version, clock), store, writer, clock, registry));
  }
  if (configs.empty()) return;
  using Kind = MetricRegistry::Kind;
  using Series = MetricRegistry::Series;
  const auto ask = [&](const char* name, const char* help,
                       uint64_t (*value)(const v1::OutputHealth&)) {
    registry.ask(name, help, Kind::gauge, [this, value] {
      std::vector<Series> series;
      for (const v1::OutputHealth& one : health())
        series.push_back({{"output", one.name()}, value(one)});
      return series;
    });
  };
  ask("picket_output_running",
      "1 while this collector runs the output, 0 while another one on the database does, or none",
      [](const v1::OutputHealth& one) { return uint64_t{one.place() == v1::OUTPUT_PLACE_HERE}; });
  ask("picket_output_lag_alerts", "Stored alerts that the output has not passed yet",
      [](const v1::OutputHealth& one) { return one.lag_alerts(); });
  ask("picket_output_lag_seconds", "For how long the oldest of them has been stored",
      [](const v1::OutputHealth& one) { return one.lag_seconds(); });
  ask("picket_output_failing", "1 while the last try to deliver failed",
      [](const v1::OutputHealth& one) { return uint64_t{one.failing()}; });
}

void Outputs::start() {
  for (const auto& runner : runners_) runner->start();
}

void Outputs::stop() {
  for (const auto& runner : runners_) runner->ask_to_stop();
  for (const auto& runner : runners_) runner->stop();
}

void Outputs::on_commit(const CommitOutcome& outcome) {
  if (!outcome.new_alerts.empty()) wake(outcome.new_alerts.back().row);
}

void Outputs::wake(uint64_t row) {
  for (const auto& runner : runners_) runner->wake(row);
}

std::vector<v1::OutputHealth> Outputs::health() const {
  std::vector<v1::OutputHealth> all;
  for (const auto& runner : runners_) all.push_back(runner->health());
  return all;
}

}  // namespace picket
