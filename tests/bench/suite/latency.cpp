// How long after a reverse shell's connect its alert is stored at the collector, after the match
// its process is killed, and, from an agent alone, its alert can be read.
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/bench/harness/worker.h"
#include "tests/bench/suite/shell_room.h"
#include "tests/bench/suite/stage.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

constexpr int kKillWaitMs = 3'000;
constexpr std::chrono::seconds kLineWait{3};
constexpr char kArea[] = "Latency of a reverse shell";

uint64_t parse_time_ns(const std::string& text) {
  tm utc{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  uint64_t fraction_ns = 0;
  if (rest != nullptr && *rest == '.') std::from_chars(rest + 1, rest + 10, fraction_ns);
  return static_cast<uint64_t>(timegm(&utc)) * 1'000'000'000U + fraction_ns;
}

double ms_between(uint64_t from_ns, uint64_t to_ns) {
  return static_cast<double>(static_cast<int64_t>(to_ns - from_ns)) * 1e-6;
}

// A shell must not meet the agent at a fixed point of its own rhythm.
class Gaps {
 public:
  void wait() { poll(nullptr, 0, gap_ms_(random_)); }

 private:
  std::mt19937 random_{42};
  std::uniform_int_distribution<int> gap_ms_{5, 25};
};

void report_way(Report& report, const std::string& name, std::span<const double> ms, int wanted,
                std::optional<double> p50_at_most, std::optional<double> p99_at_most) {
  const Spread spread = spread_of(ms);
  const std::string note = fmt::format("{} of {}", ms.size(), wanted);
  report.add({.area = kArea,
              .name = name + ", p50",
              .unit = "ms",
              .value = spread.median,
              .spread = spread,
              .at_most = p50_at_most,
              .note = note});
  report.add({.area = kArea,
              .name = name + ", p99",
              .unit = "ms",
              .value = spread.p99,
              .at_most = p99_at_most,
              .note = fmt::format("max {:.1f} ms", spread.maximum)});
}

// Kills what it matches, in this workspace only.
std::string kill_rule(const std::string& workspace) {
  return fmt::format(
      "- rule: bench.kill_reverse_shell\n  desc: Of the benchmark\n"
      "  condition: >\n    evt.type in (execve, execveat) and stdio_on_outbound_connection"
      " and workspace.id = {}\n"
      "  output: \"%proc.cmdline\"\n  priority: CRITICAL\n  respond: kill\n",
      workspace);
}

absl::Status measure_stored(int shells, Report& report) {
  const std::string workspace = container_id();
  auto stage = Stage::set_up(
      workspace,
      {.rules = kill_rule(workspace), .respond = true, .max_actions_per_minute = 100'000});
  if (!stage.ok()) return stage.status();
  test::Deployment& deployment = (*stage)->deployment();
  if (auto status = deployment.start_agent(); !status.ok()) return status;
  auto room = ShellRoom::open((*stage)->watched());
  if (!room.ok()) return room.status();
  std::vector<double> matched_ms, stored_ms, sent_ms, killed_ms;
  Gaps gaps;
  for (int i = 0; i < shells; ++i) {
    gaps.wait();
    auto shell = room->start();
    if (!shell.ok()) return shell.status();
    const auto ended_ns = room->finish(*shell, kKillWaitMs);
    if (!ended_ns.ok()) return ended_ns.status();
    const auto alert = deployment.alerts().wait_for(
        "the reverse shell's alert", [&](const test::AlertStream::Alert& alert) {
          return alert["rule"] == "bench.kill_reverse_shell" &&
                 alert["process"]["pid"] == shell->pid;
        });
    if (!alert.ok()) return alert.status();
    const uint64_t matched_ns = parse_time_ns((*alert)["time"]);
    matched_ms.push_back(ms_between(shell->connect_ns, matched_ns));
    stored_ms.push_back(ms_between(shell->connect_ns, parse_time_ns((*alert)["stored"])));
    sent_ms.push_back(ms_between(matched_ns, parse_time_ns((*alert)["stored"])));
    if (*ended_ns != 0) killed_ms.push_back(ms_between(matched_ns, *ended_ns));
  }
  report_way(report, "connect to matching exec, the shell's own way", matched_ms, shells, {}, {});
  report_way(report, "connect to alert stored at the collector", stored_ms, shells, {}, {});
  report_way(report, "matching exec to alert stored", sent_ms, shells, {}, {});
  report_way(report, "matching exec to killed", killed_ms, shells, {}, {});
  return absl::OkStatus();
}

absl::Status wait_ready(uint16_t port, test::Subprocess& agent) {
  for (;;) {
    const auto answer = test::http_get(port, "/readyz");
    if (answer.ok() && answer->code == 200) return absl::OkStatus();
    if (!agent.running_after(std::chrono::milliseconds(10))) {
      return absl::InternalError("picketd --standalone ended at its start");
    }
  }
}

// Files made, renamed, removed and opened in a workspace of its own, as fast as one processor can.
class Storm {
 public:
  explicit Storm(Worker worker)
      : worker_(std::move(worker)), thread_([this] {
          while (!over_ && status_.ok())
            for (const Work work : {Work::names, Work::files})
              status_.Update(worker_.run({work, 0, kBurst}).status());
        }) {}
  absl::Status end() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  ~Storm() { end().IgnoreError(); }

 private:
  static constexpr uint64_t kBurst = 200;
  Worker worker_;
  absl::Status status_;  // of the thread until end()
  std::atomic<bool> over_{false};
  std::thread thread_;
};

absl::Status measure_standalone(int shells, bool storms, Report& report) {
  auto stage = Stage::set_up(container_id(), {});
  if (!stage.ok()) return stage.status();
  test::Deployment& deployment = (*stage)->deployment();
  auto output = test::make_pipe();
  if (!output.ok()) return output.status();
  auto agent = test::Subprocess::start({.argv = {PICKET_BINARY_DIR "/picketd", "--config",
                                                 deployment.agent_configuration(), "--standalone"},
                                        .out = output->write.get()});
  if (!agent.ok()) return agent.status();
  output->write.reset();
  if (auto status = wait_ready(deployment.agent_http(), **agent); !status.ok()) return status;
  auto room = ShellRoom::open((*stage)->watched());
  if (!room.ok()) return room.status();
  std::optional<Storm> storm;
  if (storms) {
    const std::string loud = (*stage)->sandbox().cgroup_folder() + "/" + container_id();
    if (mkdir(loud.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, "make a cgroup");
    auto worker = Worker::start({.cgroup = loud});
    if (!worker.ok()) return worker.status();
    storm.emplace(*std::move(worker));
  }
  test::LineReader lines(std::move(output->read));
  std::vector<double> read_ms;
  Gaps gaps;
  for (int i = 0; i < shells; ++i) {
    gaps.wait();
    auto shell = room->start();
    if (!shell.ok()) return shell.status();
    const auto deadline = std::chrono::steady_clock::now() + kLineWait;
    uint64_t read_ns = 0;
    while (read_ns == 0) {
      const auto line = lines.next(deadline);
      if (!line) break;
      const uint64_t now_ns = wall_ns();
      const auto alert = nlohmann::json::parse(*line, nullptr, false);
      if (alert.is_object() && alert.value("rule", "") == "reverse_shell" &&
          alert["process"]["pid"] == shell->pid) {
        read_ns = now_ns;
      }
    }
    if (auto ended = room->finish(*shell, 0); !ended.ok()) return ended.status();
    if (read_ns != 0) read_ms.push_back(ms_between(shell->connect_ns, read_ns));
  }
  const std::string where = storms ? "agent alone, in a file storm" : "agent alone";
  const auto events = test::metric(deployment.agent_http(), "picket_pipeline_events_total");
  if (storm)
    if (auto status = storm->end(); !status.ok()) return status;
  report_way(report, "connect to alert readable, " + where, read_ms, shells,
             storms ? std::nullopt : std::optional(0.5), storms ? 10 : 5);
  report.add({.area = kArea,
              .name = "missed by the " + where,
              .unit = "",
              .value = static_cast<double>(shells) - static_cast<double>(read_ms.size()),
              .at_most = 0,
              .note = fmt::format("{:.0f} events", events.value_or(-1))});
  return absl::OkStatus();
}

}  // namespace

absl::Status measure_latency(int shells, Report& report) {
  absl::Status status = measure_stored(shells, report);
  status.Update(measure_standalone(shells, false, report));
  status.Update(measure_standalone(shells, true, report));
  return status;
}

}  // namespace picket::bench
