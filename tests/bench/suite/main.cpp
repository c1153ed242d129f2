// bench_run --record FILE, or [--json FILE] [--pairs N] [--shells N] [--only
// overhead|footprint|crowd|latency|workloads|replay]: what Picket costs and how fast it is, beside
// its targets. Root. Exit status 1 when a part could not be measured; a missed target is a figure,
// not a failure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "tests/bench/suite/stage.h"
#include "tests/support/sandbox.h"

namespace picket::bench {
namespace {

struct Options {
  std::string json, only, record;
  int pairs = 20, shells = 200;
};

int run(const Options& options) {
  Report report;
  const auto part = [&](std::string_view name, auto measure) {
    if (!options.only.empty() && options.only != name) return;
    fmt::print(stderr, "measuring {} ...\n", name);
    if (const absl::Status status = measure(); !status.ok()) {
      report.miss(std::string(name), std::string(status.message()));
    }
  };
  part("overhead", [&] { return measure_overhead(options.pairs, report); });
  part("footprint", [&] { return measure_footprint(report); });
  part("crowd", [&] { return measure_crowd(report); });
  part("latency", [&] { return measure_latency(options.shells, report); });
  part("workloads", [&] { return measure_workloads(report); });
  part("replay", [&] { return measure_replay(PICKET_BINARY_DIR "/bench_replay", report); });
  report.print();
  if (!options.json.empty()) {
    if (const auto status = report.write_json(options.json); !status.ok()) {
      fmt::print(stderr, "bench_run: {}\n", std::string(status.message()));
      return 1;
    }
  }
  return report.complete() ? 0 : 1;
}

}  // namespace
}  // namespace picket::bench

int main(int argc, char** argv) {
  CLI::App app{"bench_run: what Picket costs and how fast it is, against no agent in the same run"};
  picket::bench::Options options;
  app.add_option("--json", options.json, "Also write the figures to this file");
  app.add_option("--pairs", options.pairs, "Runs with the agent, each between two without it")
      ->check(CLI::Range(1, 1000));
  app.add_option("--shells", options.shells, "Reverse shells whose way is timed")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--only", options.only, "One part")
      ->check(CLI::IsMember({"overhead", "footprint", "crowd", "latency", "workloads", "replay"}));
  app.add_option("--record", options.record,
                 "Measure nothing: record a developer's work into this file");
  CLI11_PARSE(app, argc, argv);
  if (const std::string why = picket::test::missing_for_live_tests(); !why.empty()) {
    fmt::print(stderr, "bench_run: cannot measure here: {}\n", why);
    return 1;
  }
  if (options.record.empty()) return picket::bench::run(options);
  const absl::Status recorded = picket::bench::record_work(options.record);
  if (recorded.ok()) return 0;
  fmt::print(stderr, "bench_run: {}\n", std::string(recorded.message()));
  return 1;
}
