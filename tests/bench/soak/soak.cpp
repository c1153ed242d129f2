// bench_soak [--starts N] [--containers N] [--parallel N]: does the agent's memory stay flat while
// workspaces come and go? Starts and stops N workspaces (a cgroup, three processes in it, gone) and
// so many real containers, and prints the agent's memory on the way. Root. Exit status 1 when it
// could not be measured, 2 when memory grew.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/bench/harness/process_cost.h"
#include "tests/bench/suite/stage.h"
#include "tests/support/container.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int starts = 10'000, containers = 200, parallel = 12;
};

constexpr int kReadings = 20;
constexpr double kGrowth = 1.05, kGrowthMib = 1;  // what a table's rehash may add

// In a child: enters the cgroup, runs two programs one after the other, ends.
[[noreturn]] void live_in(const std::string& cgroup) {
  const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (procs < 0 || write(procs, "0", 1) != 1) _exit(1);
  for (int i = 0; i < 2; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/true", "true", "soak", nullptr);
      _exit(1);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) _exit(1);
  }
  _exit(0);
}

class Soak {
 public:
  Soak(Stage& stage, const Options& options) : stage_(stage), options_(options) {}

  absl::StatusOr<bool> run() {
    if (auto status = stage_.deployment().start_agent(); !status.ok()) return status;
    fmt::print("{:>8} {:>10} {:>10} {:>10} {:>11} {:>10} {:>8} {:>6}\n", "seconds", "starts",
               "containers", "PSS MiB", "RSS MiB", "workspaces", "procs", "lost");
    begin_ = Clock::now();
    for (int reading = 1; reading <= kReadings; ++reading) {
      const int until = options_.starts * reading / kReadings;
      const int containers_until = options_.containers * reading / kReadings;
      while (started_ < until) {
        if (auto status = batch(std::min(options_.parallel, until - started_)); !status.ok())
          return status;
      }
      for (; containers_ < containers_until; ++containers_) {
        auto container = test::Container::run_new(stage_.sandbox());
        if (!container.ok()) return container.status();
        if (auto status = (*container)->remove(); !status.ok()) return status;
      }
      if (auto status = take_reading(); !status.ok()) return status;
    }
    return is_flat();
  }

 private:
  absl::Status batch(int count) {
    std::vector<std::pair<pid_t, std::string>> running;
    absl::Status status;
    for (int i = 0; i < count; ++i) {
      std::string cgroup = stage_.sandbox().cgroup_folder() + "/" + container_id();
      if (mkdir(cgroup.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, "make a cgroup");
      const pid_t child = fork();
      if (child == 0) live_in(cgroup);
      running.emplace_back(child, std::move(cgroup));
    }
    for (const auto& [pid, cgroup] : running) {
      int state = 1;
      if (pid < 0 || waitpid(pid, &state, 0) != pid || state != 0)
        status.Update(absl::InternalError("a process of a workspace failed"));
      status.Update(test::remove_cgroup(cgroup));
    }
    started_ += count;
    return status;
  }

  absl::Status take_reading() {
    const uint16_t port = stage_.deployment().agent_http();
    const auto now = memory(stage_.deployment().agent_pid());
    if (!now.ok()) return now.status();
    pss_mib_.push_back(now->pss_mib);
    const auto gauge = [&](const char* name) { return test::metric(port, name).value_or(-1); };
    fmt::print("{:>8.0f} {:>10} {:>10} {:>10.1f} {:>11.1f} {:>10.0f} {:>8.0f} {:>6.0f}\n",
               std::chrono::duration<double>(Clock::now() - begin_).count(), started_, containers_,
               now->pss_mib, now->rss_mib, gauge("picket_enrich_workspaces"),
               gauge("picket_enrich_processes"), gauge("picket_sensor_lost_total"));
    std::fflush(stdout);
    return absl::OkStatus();
  }

  // The tables have filled by half time: the highest of the last quarter against that of the third.
  bool is_flat() const {
    const auto highest = [&](int from, int to) {
      return *std::max_element(pss_mib_.begin() + from, pss_mib_.begin() + to);
    };
    const double middle = highest(kReadings / 2, kReadings * 3 / 4);
    const double end = highest(kReadings * 3 / 4, kReadings);
    const bool flat = end <= middle * kGrowth + kGrowthMib;
    fmt::print(
        "{} starts and stops, {} of them containers: PSS {:.1f} MiB in the third quarter, "
        "{:.1f} MiB in the last: {}\n",
        started_ + containers_, containers_, middle, end, flat ? "flat" : "GROWING");
    return flat;
  }

  Stage& stage_;
  const Options options_;
  Clock::time_point begin_;
  int started_ = 0, containers_ = 0;
  std::vector<double> pss_mib_;
};

absl::StatusOr<bool> soak(const Options& options) {
  auto stage = Stage::set_up(container_id(), {});
  if (!stage.ok()) return stage.status();
  return Soak(**stage, options).run();
}

}  // namespace
}  // namespace picket::bench

int main(int argc, char** argv) {
  CLI::App app{"bench_soak: the agent's memory while workspaces come and go"};
  picket::bench::Options options;
  app.add_option("--starts", options.starts, "Workspaces that are only a cgroup and processes")
      ->check(CLI::Range(100, 10'000'000));
  app.add_option("--containers", options.containers, "Workspaces that are containers")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--parallel", options.parallel, "At a time")->check(CLI::Range(1, 200));
  CLI11_PARSE(app, argc, argv);
  if (const std::string why = picket::test::missing_for_live_tests(); !why.empty()) {
    fmt::print(stderr, "bench_soak: cannot measure here: {}\n", why);
    return 1;
  }
  const auto flat = picket::bench::soak(options);
  if (!flat.ok()) {
    fmt::print(stderr, "bench_soak: {}\n", std::string(flat.status().message()));
    return 1;
  }
  return *flat ? 0 : 2;
}
