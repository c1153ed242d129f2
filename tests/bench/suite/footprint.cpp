// One agent from its start to 10,000 processes later: start, memory, idle, and CPU per event.
#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <optional>

#include "tests/bench/harness/process_cost.h"
#include "tests/bench/harness/worker.h"
#include "tests/bench/suite/stage.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

constexpr int kIdleMs = 20'000;  // some canaries go out and come back
constexpr uint64_t kProcesses = 10'000;
constexpr uint64_t kConnections = 50'000;
constexpr uint64_t kFileLoops = 50'000;
constexpr char kEvents[] = "picket_pipeline_events_total";
constexpr char kLost[] = "picket_sensor_lost_total";

struct Reading {
  double cpu_s = 0, events = 0, lost = 0;
};

class Footprint {
 public:
  Footprint(Stage& stage, const Worker& worker, Report& report)
      : stage_(stage), worker_(worker), report_(report) {}

  absl::Status run() {
    const auto begin = std::chrono::steady_clock::now();
    if (auto status = stage_.deployment().start_agent(); !status.ok()) return status;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    auto ready = read();
    if (!ready.ok()) return ready.status();
    report_.add({.area = kStart,
                 .name = "exec to ready, self check included",
                 .unit = "s",
                 .value = took.count(),
                 .at_most = 0.5});
    report_.add({.area = kStart,
                 .name = "CPU spent by then",
                 .unit = "s",
                 .value = ready->cpu_s,
                 .at_most = 0.4});
    if (auto status = report_memory("when it is ready", {}); !status.ok()) return status;
    if (auto status = idle(); !status.ok()) return status;
    if (auto status = report_memory("after start", 25); !status.ok()) return status;
    if (auto status = report_events("fork, exec, exit", {Work::exec, 0, kProcesses});
        !status.ok()) {
      return status;
    }
    if (auto status = report_memory("after 10,000 processes", 25); !status.ok()) return status;
    if (auto status = report_events("connects", {Work::connect, 0, kConnections}); !status.ok()) {
      return status;
    }
    return files();
  }

 private:
  absl::StatusOr<Reading> read() const {
    const uint16_t port = stage_.deployment().agent_http();
    const auto cpu = cpu_seconds(stage_.deployment().agent_pid());
    const auto events = test::metric(port, kEvents);
    const auto lost = test::metric(port, kLost);
    if (!cpu.ok()) return cpu.status();
    if (!events.ok()) return events.status();
    if (!lost.ok()) return lost.status();
    return Reading{*cpu, *events, *lost};
  }

  absl::Status report_memory(std::string_view when, std::optional<double> at_most) {
    auto now = memory(stage_.deployment().agent_pid());
    if (!now.ok()) return now.status();
    report_.add({.area = kMemory,
                 .name = fmt::format("PSS {}", when),
                 .unit = "MiB",
                 .value = now->pss_mib,
                 .at_most = at_most,
                 .note = "4 MiB ring"});
    report_.add({.area = kMemory,
                 .name = fmt::format("RSS {}", when),
                 .unit = "MiB",
                 .value = now->rss_mib,
                 .note = "counts the mapped ring twice"});
    return absl::OkStatus();
  }

  absl::Status idle() {
    const auto before = read();
    // Without what the questions themselves cost the agent.
    const auto cpu_before = cpu_seconds(stage_.deployment().agent_pid());
    poll(nullptr, 0, kIdleMs);
    const auto cpu_after = cpu_seconds(stage_.deployment().agent_pid());
    const auto after = read();
    for (const absl::Status& status :
         {before.status(), cpu_before.status(), cpu_after.status(), after.status()}) {
      if (!status.ok()) return status;
    }
    report_.add({.area = kCpu,
                 .name = "idle workspace, share of one core",
                 .unit = "%",
                 .value = 100 * (*cpu_after - *cpu_before) * 1000 / kIdleMs,
                 .at_most = 0.1,
                 .note = fmt::format("{:.0f} events in {} s, a canary every 5",
                                     after->events - before->events, kIdleMs / 1000)});
    return absl::OkStatus();
  }

  struct Storm {
    double agent_s = 0, work_s = 0, events = 0, lost = 0;
  };
  absl::StatusOr<Storm> storm(const Job& job) const {
    const auto before = read();
    const auto cost = worker_.run(job);
    const auto after = settled();
    if (!before.ok()) return before.status();
    if (!cost.ok()) return cost.status();
    if (!after.ok()) return after.status();
    return Storm{.agent_s = after->cpu_s - before->cpu_s,
                 .work_s = cost->cpu_ns * 1e-9 * static_cast<double>(job.count),
                 .events = after->events - before->events,
                 .lost = after->lost - before->lost};
  }

  absl::Status report_events(const std::string& name, const Job& job) {
    const auto seen = storm(job);
    if (!seen.ok()) return seen.status();
    if (seen->events + seen->lost < static_cast<double>(job.count)) {
      return absl::InternalError(
          fmt::format("{}: {} operations gave only {} events", name, job.count, seen->events));
    }
    report_.add({.area = kCpu,
                 .name = "CPU seconds per million events, " + name,
                 .unit = "s",
                 .value = seen->agent_s / seen->events * 1e6,
                 .at_most = 1,
                 .note = fmt::format("{:.0f} events, {:.0f} lost", seen->events, seen->lost)});
    const double share = 100 * seen->agent_s / seen->work_s;
    Figure figure{.area = kCpu,
                  .name = "share of the workload's CPU, " + name,
                  .unit = "%",
                  .value = share,
                  .note = fmt::format("{:.2f} s of {:.1f} s", seen->agent_s, seen->work_s)};
    if (job.work == Work::exec) figure.at_most = 5;
    report_.add(std::move(figure));
    return absl::OkStatus();
  }

  absl::Status files() {
    const auto seen = storm({Work::files, 0, kFileLoops});
    if (!seen.ok()) return seen.status();
    constexpr double kCalls = 3;
    report_.add({.area = kCpu,
                 .name = "CPU seconds per million calls, open, read, close",
                 .unit = "s",
                 .value = seen->agent_s / (kCalls * kFileLoops) * 1e6,
                 .at_most = 0.2,
                 .note = fmt::format("{:.0f} events", seen->events)});
    return absl::OkStatus();
  }

  // When two readings a tenth of a second apart see the same count, the pipeline has caught up.
  absl::StatusOr<Reading> settled() const {
    auto last = read();
    while (last.ok()) {
      poll(nullptr, 0, 100);
      auto now = read();
      if (!now.ok() || now->events == last->events) return now;
      last = now;
    }
    return last;
  }

  static constexpr char kStart[] = "Start of the agent", kMemory[] = "Memory of the agent",
                        kCpu[] = "CPU time of the agent";
  Stage& stage_;
  const Worker& worker_;
  Report& report_;
};

}  // namespace

absl::Status measure_footprint(Report& report) {
  auto stage = Stage::set_up(container_id(), {.agent_settings = "sensor: {ring_bytes: 4194304}\n"});
  if (!stage.ok()) return stage.status();
  auto worker = Worker::start({.cgroup = (*stage)->watched(), .own_network = true});
  if (!worker.ok()) return worker.status();
  return Footprint(**stage, *worker, report).run();
}

}  // namespace picket::bench
