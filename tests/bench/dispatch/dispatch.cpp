// bench_dispatch [ROUNDS]: per-call tracepoints or one raw dispatcher? What each adds to a system
// call that nobody watches, to a watched call of a process outside every workspace, and to one of a
// watched process; and whether a 32-bit call escapes. Every configuration is measured between two
// runs without it; CPU time, not wall time. Needs root. Mounts tracefs in a mount namespace of its
// own; nothing stays behind.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "tests/bench/dispatch/probe.h"
#include "tests/bench/dispatch/watched_calls.h"
#include "tests/bench/harness/stats.h"
#include "tests/bench/harness/worker.h"

namespace picket::bench {
namespace {

// A measurement is the best of some short bursts: an interrupt or a neighbour spoils one of them,
// not all.
constexpr int kBursts = 6;
constexpr uint64_t kCallsPerBurst = 2'000;
constexpr uint64_t kCallsToSee = 1'000;
const WatchedCall& kWatched =
    kWatchedCalls[0];  // setns(-1): refused at once, so nearly all of it is dispatch

struct Configuration {
  Dispatch dispatch;
  size_t watched_calls;
};

constexpr Configuration kConfigurations[] = {
    {Dispatch::raw_empty, 5},         {Dispatch::raw_enter, 5},   {Dispatch::raw_enter, 20},
    {Dispatch::raw_enter, 60},        {Dispatch::raw_exit, 20},   {Dispatch::raw_both, 20},
    {Dispatch::raw_scope_first, 20},  {Dispatch::calls_enter, 5}, {Dispatch::calls_enter, 20},
    {Dispatch::calls_enter, 60},      {Dispatch::calls_exit, 20}, {Dispatch::calls_both, 20},
    {Dispatch::calls_and_compat, 20},
};

enum Loop { kUnwatchedCall, kOutside, kInside, kLoops };

struct Result {
  std::vector<double> with[kLoops], without[kLoops];
  Seen of_native, of_compat;  // what a known number of calls was seen as
};

class Benchmark {
 public:
  Benchmark(Worker outside, Worker inside)
      : outside_(std::move(outside)), inside_(std::move(inside)) {}

  absl::Status load() {
    for (const size_t count : {5, 20, 60}) {
      auto probe = Probe::load(count);
      if (!probe.ok()) return probe.status();
      if (auto status = probe->watch(inside_.pid()); !status.ok()) return status;
      probes_.emplace(count, *std::move(probe));
    }
    return absl::OkStatus();
  }

  absl::Status round() {
    for (size_t i = 0; i < std::size(kConfigurations); ++i) {
      Probe& probe = probes_.at(kConfigurations[i].watched_calls);
      Result& result = results_[i];
      double before[kLoops], with[kLoops], after[kLoops];
      if (auto status = loops(before); !status.ok()) return status;
      if (auto status = probe.attach(kConfigurations[i].dispatch); !status.ok()) return status;
      auto status = loops(with);
      if (status.ok()) status = see(probe, result);
      probe.detach();
      if (!status.ok()) return status;
      if (status = loops(after); !status.ok()) return status;
      for (int loop = 0; loop < kLoops; ++loop) {
        result.with[loop].push_back(with[loop]);
        result.without[loop].push_back((before[loop] + after[loop]) / 2);
      }
    }
    return absl::OkStatus();
  }

  void print() const {
    fmt::print(
        "System call dispatch, kernel {}, {}. Nanoseconds of CPU per call added to no probe at "
        "all: "
        "median [p10 .. p90] of {} pairs.\n\n",
        kernel_release(), today(), results_[0].with[0].size());
    fmt::print("| {:<26} | {:>5} | {:<24} | {:<24} | {:<24} | {:<7} | {:<8} |\n", "dispatch",
               "calls", "call nobody watches", "watched, outside", "watched, inside", "seen",
               "int 0x80");
    fmt::print("|{:-<28}|{:-<7}|{:-<26}|{:-<26}|{:-<26}|{:-<9}|{:-<10}|\n", "", "", "", "", "", "",
               "");
    for (size_t i = 0; i < std::size(kConfigurations); ++i) print_row(i);
    fmt::print("\nWithout a probe: ");
    for (int loop = 0; loop < kLoops; ++loop) {
      const Spread base = spread_of(results_[0].without[loop]);
      fmt::print("{}{:.0f} ns [{:.0f} .. {:.0f}]", loop ? ", " : "", base.median, base.p10,
                 base.p90);
    }
    fmt::print(".\nSeen: share of {} calls of a watched process that the probe counted{}.\n",
               kCallsToSee,
               compat_calls_exist_ ? "" : "; this kernel has 32-bit calls switched off");
  }

 private:
  absl::Status loops(double (&out)[kLoops]) {
    const std::pair<const Worker*, uint32_t> what[kLoops] = {
        {&outside_, SYS_getppid}, {&outside_, kWatched.native}, {&inside_, kWatched.native}};
    for (int loop = 0; loop < kLoops; ++loop) {
      out[loop] = std::numeric_limits<double>::max();
      for (int burst = 0; burst < kBursts; ++burst) {
        auto cost = what[loop].first->run({Work::call, what[loop].second, kCallsPerBurst});
        if (!cost.ok()) return cost.status();
        out[loop] = std::min(out[loop], cost->cpu_ns);
      }
    }
    return absl::OkStatus();
  }

  absl::Status see(const Probe& probe, Result& result) {
    const auto difference = [&](const Job& job, Seen& out) -> absl::Status {
      const auto before = probe.seen();
      const auto made = inside_.run(job);
      const auto after = probe.seen();
      if (!before.ok() || !made.ok() || !after.ok())
        return absl::InternalError("count what the probe sees");
      out = {after->native - before->native, after->compat - before->compat};
      return absl::OkStatus();
    };
    auto status = difference({Work::call, kWatched.native, kCallsToSee}, result.of_native);
    if (!status.ok() || !compat_calls_exist_) return status;
    return difference({Work::compat, kWatched.compat, kCallsToSee}, result.of_compat);
  }

  void print_row(size_t i) const {
    const Result& result = results_[i];
    std::string cells;
    for (int loop = 0; loop < kLoops; ++loop) {
      const Spread added = spread_of(differences(result.with[loop], result.without[loop]));
      const Spread ratio = spread_of(ratios(result.with[loop], result.without[loop]));
      cells +=
          fmt::format(" {:<24} |", fmt::format("{:+.0f} [{:+.0f} .. {:+.0f}] {:.2f}x", added.median,
                                               added.p10, added.p90, ratio.median));
    }
    const Configuration& configuration = kConfigurations[i];
    const bool empty = configuration.dispatch == Dispatch::raw_empty;
    const auto share = [&](const Seen& seen) {
      return fmt::format("{:.0f} %",
                         100.0 * static_cast<double>(seen.native + seen.compat) / kCallsToSee);
    };
    fmt::print("| {:<26} | {:>5} |{} {:<7} | {:<8} |\n", to_string(configuration.dispatch),
               empty ? "-" : std::to_string(configuration.watched_calls), cells,
               empty ? "-" : share(result.of_native),
               empty                  ? "-"
               : !compat_calls_exist_ ? "none"
                                      : share(result.of_compat));
  }

  Worker outside_, inside_;
  const bool compat_calls_exist_ = compat_calls_exist();
  std::map<size_t, Probe> probes_;
  Result results_[std::size(kConfigurations)];
};

absl::Status own_tracefs() {
  if (access("/sys/kernel/tracing/events", F_OK) == 0) return absl::OkStatus();
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tracefs", "/sys/kernel/tracing", "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
            nullptr) != 0) {
    return absl::PermissionDeniedError(fmt::format(
        "mount tracefs in an own mount namespace (root is needed): {}", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status run(int rounds) {
  if (auto status = own_tracefs(); !status.ok()) return status;
  auto outside = Worker::start();
  auto inside = Worker::start();
  if (!outside.ok()) return outside.status();
  if (!inside.ok()) return inside.status();
  Benchmark benchmark(*std::move(outside), *std::move(inside));
  if (auto status = benchmark.load(); !status.ok()) return status;
  for (int i = 0; i < rounds; ++i) {
    if (auto status = benchmark.round(); !status.ok()) return status;
  }
  benchmark.print();
  return absl::OkStatus();
}

}  // namespace
}  // namespace picket::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 30;
  if (rounds < 1) {
    fmt::print(stderr, "usage: bench_dispatch [ROUNDS]\n");
    return 2;
  }
  if (const auto status = picket::bench::run(rounds); !status.ok()) {
    fmt::print(stderr, "bench_dispatch: {}\n", std::string(status.message()));
    return 1;
  }
  return 0;
}
