// Runs the microbenchmarks of the user-space path and takes their figures over.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/bench/suite/stage.h"

namespace picket::bench {
namespace {

constexpr char kArea[] = "User space, one thread";

using Times = std::map<std::string, double>;  // median nanoseconds of CPU per item, and counters

absl::StatusOr<Times> run_benchmarks(const std::string& program) {
  auto output =
      test::output_of({program, "--benchmark_format=json", "--benchmark_repetitions=7",
                       "--benchmark_enable_random_interleaving=true",
                       "--benchmark_report_aggregates_only=true", "--benchmark_min_time=0.1"});
  if (!output.ok()) return output.status();
  const auto root = nlohmann::json::parse(*output, nullptr, false);
  if (!root.is_object()) return absl::InternalError(fmt::format("{} printed no JSON", program));
  Times times;
  for (const auto& row : root["benchmarks"]) {
    if (row.value("aggregate_name", "") != "median") continue;
    const std::string name = row.value("run_name", "");
    times[name] = 1e9 / row.value("items_per_second", 0.0);
    for (const char* counter : {"bytes", "events", "findings"})
      if (row.contains(counter)) times[name + "." + counter] = row[counter];
  }
  return times;
}

}  // namespace

absl::Status measure_replay(const std::string& program, Report& report) {
  auto times = run_benchmarks(program);
  if (!times.ok()) return times.status();
  for (const char* key : {"rules/1000", "load"})
    if (times->count(key) == 0) return absl::InternalError(fmt::format("no figure for {}", key));
  const auto add = [&](const char* key, const char* name, const char* against,
                       std::optional<double> at_most) {
    const double ns = (*times)[key];
    report.add({.area = kArea,
                .name = name,
                .unit = "ns",
                .value = ns,
                .at_most = at_most,
                .note = fmt::format("{:.2f} x {}", ns / (*times)[against], against)});
  };
  add("parse", "check a record", "parse", {});
  add("enrich", "and give it its process and workspace", "parse", {});
  add("predicate", "ten rules as a C++ predicate", "parse", {});
  add("rules/0", "the engine without a rule", "predicate", {});
  add("rules/10", "the engine with the same ten rules", "predicate", 3 * (*times)["predicate"]);
  add("rules/100", "the engine with 100 rules", "predicate", 250);
  add("rules/1000", "the engine with 1,000 rules", "rules/100", 400);
  report.add({.area = kArea,
              .name = "load 1,000 rules",
              .unit = "ms",
              .value = (*times)["load"] * 1e-6,
              .at_most = 200});
  report.add({.area = kArea,
              .name = "memory of 1,000 rules",
              .unit = "MiB",
              .value = (*times)["load.bytes"] / (1 << 20),
              .at_most = 20});
  add("queue", "push and pop of the queue, no contention", "parse", {});
  add("spool/1", "append an envelope to the spool, alone", "parse", {});
  add("spool/100", "append an envelope to the spool, of 100", "spool/1", {});
  return absl::OkStatus();
}

}  // namespace picket::bench
