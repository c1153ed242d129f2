// What the agent adds to work inside and outside a watched workspace: every run with the agent
// between two runs without it.
#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/bench/dispatch/probe.h"
#include "tests/bench/harness/worker.h"
#include "tests/bench/suite/stage.h"

namespace picket::bench {
namespace {

// A measurement is the best of some short bursts: an interrupt or a neighbour spoils one of them,
// not all.
constexpr int kBursts = 6;

struct Loop {
  const char* name;
  Job burst;
};
constexpr Loop kLoops[] = {
    {"getppid", {Work::call, SYS_getppid, 5'000}},
    {"open, read, close", {Work::files, 0, 500}},
    {"connect, accept, close", {Work::connect, 0, 100}},
    {"fork, exec, wait", {Work::exec, 0, 12}},
    {"mkdir, rename, rmdir", {Work::names, 0, 200}},
    {"dup2 to standard input", {Work::standard, 0, 5'000}},
    {"sendto, recv of a datagram", {Work::datagrams, 0, 500}},
    {"connect, accept, close of a unix socket", {Work::local, 0, 300}},
    {"request of an io_uring", {Work::ring, 0, 3'000}},
    {"kill of itself", {Work::signal, 0, 3'000}},
    {"unshare of nothing", {Work::system, 0, 1'000}},
    {"open that is refused", {Work::refused, 0, 1'000}},
};
constexpr size_t kGetppid = 0, kFiles = 1, kExec = 3;
constexpr size_t kFloored = kFiles + 1;  // run with an empty raw program too

using Costs = std::vector<double>;  // one value per loop, CPU nanoseconds per operation

absl::StatusOr<Costs> run_loops(const Worker& worker, size_t loops) {
  Costs costs;
  for (size_t i = 0; i < loops; ++i) {
    double best = std::numeric_limits<double>::max();
    for (int burst = 0; burst < kBursts; ++burst) {
      auto cost = worker.run(kLoops[i].burst);
      if (!cost.ok()) return cost.status();
      best = std::min(best, cost->cpu_ns);
    }
    costs.push_back(best);
  }
  return costs;
}

// The samples of one place: without the agent, with an empty raw program, with the agent.
struct Place {
  const char* name;
  Worker worker;
  std::vector<double> without[std::size(kLoops)], with[std::size(kLoops)];
  std::vector<double> floor[kFloored];
};

class Overhead {
 public:
  Overhead(Stage& stage, Probe probe, Worker outside, Worker inside)
      : stage_(stage),
        probe_(std::move(probe)),
        places_{Place{"outside every workspace", std::move(outside), {}, {}, {}},
                Place{"inside a workspace", std::move(inside), {}, {}, {}}} {}

  absl::Status pair() {
    std::vector<Costs> before, with, after;
    if (auto status = run(before); !status.ok()) return status;
    if (auto status = run_floor(); !status.ok()) return status;
    if (auto status = stage_.deployment().start_agent(); !status.ok()) return status;
    if (auto status = run(with); !status.ok()) return status;
    if (auto status = stage_.deployment().stop_agent(); !status.ok()) return status;
    if (auto status = run(after); !status.ok()) return status;
    for (size_t p = 0; p < std::size(places_); ++p) {
      for (size_t i = 0; i < std::size(kLoops); ++i) {
        places_[p].without[i].push_back((before[p][i] + after[p][i]) / 2);
        places_[p].with[i].push_back(with[p][i]);
      }
    }
    return absl::OkStatus();
  }

  void report(Report& report) const {
    for (size_t p = 0; p < std::size(places_); ++p) report_place(places_[p], p == 1, report);
  }

 private:
  absl::Status run(std::vector<Costs>& out) {
    for (Place& place : places_) {
      auto costs = run_loops(place.worker, std::size(kLoops));
      if (!costs.ok()) return costs.status();
      out.push_back(*std::move(costs));
    }
    return absl::OkStatus();
  }

  absl::Status run_floor() {
    if (auto status = probe_.attach(Dispatch::raw_empty); !status.ok()) return status;
    absl::Status status;
    for (Place& place : places_) {
      auto costs = run_loops(place.worker, kFloored);
      status.Update(costs.status());
      for (size_t i = 0; costs.ok() && i < kFloored; ++i) place.floor[i].push_back((*costs)[i]);
    }
    probe_.detach();
    return status;
  }

  static void report_place(const Place& place, bool inside, Report& report) {
    const std::string area = fmt::format("CPU time of work {}, against no agent", place.name);
    for (size_t i = 0; i < std::size(kLoops); ++i) {
      const Spread ratio = spread_of(ratios(place.with[i], place.without[i]));
      const Spread base = spread_of(place.without[i]);
      Figure figure{.area = area,
                    .name = kLoops[i].name,
                    .unit = "x",
                    .value = ratio.median,
                    .spread = ratio,
                    .note = fmt::format("of {:.2f} us", base.median / 1000)};
      if (inside && i == kFiles) figure.at_most = 1.30;
      if (inside && i == kExec) figure.at_most = 1.05;
      report.add(std::move(figure));
    }
    for (size_t i = 0; i < kFloored; ++i) {
      const Spread floor = spread_of(ratios(place.with[i], place.floor[i]));
      Figure figure{
          .area = area,
          .name = fmt::format("{}, against an empty raw program", kLoops[i].name),
          .unit = "x",
          .value = floor.median,
          .spread = floor,
          .note = fmt::format("the floor: {:.2f} us", spread_of(place.floor[i]).median / 1000)};
      if (i == kGetppid) figure.at_most = 1.15;  // nobody watches it
      if (i == kFiles && !inside) figure.at_most = 1.30;
      report.add(std::move(figure));
    }
    if (inside) return;
    Spread added = spread_of(differences(place.with[kFiles], place.without[kFiles]));
    constexpr double kCalls = 3;
    report.add({.area = area,
                .name = "added to each call of open, read, close",
                .unit = "us",
                .value = added.median / kCalls / 1000,
                .spread = Spread{.p10 = added.p10 / kCalls / 1000,
                                 .p90 = added.p90 / kCalls / 1000,
                                 .count = added.count},
                .at_most = 0.15});
  }

  Stage& stage_;
  Probe probe_;
  Place places_[2];
};

// The agent without 32-bit calls: a call that nobody watches then passes no raw program.
absl::Status measure_native_only(int pairs, Report& report) {
  auto stage = Stage::set_up(container_id(), {.agent_settings = "sensor: {compat_calls: false}\n"});
  if (!stage.ok()) return stage.status();
  auto worker = Worker::start({.cgroup = (*stage)->unwatched()});
  if (!worker.ok()) return worker.status();
  std::vector<double> with, without;
  for (int i = 0; i < pairs; ++i) {
    const auto before = run_loops(*worker, kGetppid + 1);
    if (!before.ok()) return before.status();
    if (auto status = (*stage)->deployment().start_agent(); !status.ok()) return status;
    const auto during = run_loops(*worker, kGetppid + 1);
    if (!during.ok()) return during.status();
    if (auto status = (*stage)->deployment().stop_agent(); !status.ok()) return status;
    const auto after = run_loops(*worker, kGetppid + 1);
    if (!after.ok()) return after.status();
    with.push_back((*during)[kGetppid]);
    without.push_back(((*before)[kGetppid] + (*after)[kGetppid]) / 2);
  }
  const Spread ratio = spread_of(ratios(with, without));
  report.add({.area = "CPU time of work with sensor.compat_calls: false, against no agent",
              .name = "getppid",
              .unit = "x",
              .value = ratio.median,
              .spread = ratio,
              .at_most = 1.25});
  return absl::OkStatus();
}

absl::Status measure_places(int pairs, Report& report) {
  auto stage = Stage::set_up(container_id(), {});
  if (!stage.ok()) return stage.status();
  auto probe = Probe::load(1);
  if (!probe.ok()) return probe.status();
  auto outside = Worker::start({.cgroup = (*stage)->unwatched(), .own_network = true});
  if (!outside.ok()) return outside.status();
  auto inside = Worker::start({.cgroup = (*stage)->watched(), .own_network = true});
  if (!inside.ok()) return inside.status();
  Overhead overhead(**stage, *std::move(probe), *std::move(outside), *std::move(inside));
  for (int i = 0; i < pairs; ++i) {
    if (auto status = overhead.pair(); !status.ok()) return status;
  }
  overhead.report(report);
  return absl::OkStatus();
}

}  // namespace

absl::Status measure_overhead(int pairs, Report& report) {
  absl::Status status = measure_places(pairs, report);
  status.Update(measure_native_only(std::max(1, pairs / 2), report));
  return status;
}

}  // namespace picket::bench
