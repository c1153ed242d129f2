// The agent's memory beside fifty workspaces with ten thousand processes that live.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "tests/bench/harness/process_cost.h"
#include "tests/bench/harness/worker.h"
#include "tests/bench/suite/stage.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

constexpr char kProgram[] = PICKET_BINARY_DIR "/test-image/opt/picket-test/processes";
constexpr int kWorkspaces = 50;
constexpr int kLevels = 2, kWidth = 14;  // of the tree in each; every second process has exec'd
constexpr int kProcesses = kWorkspaces * (1 + kWidth + kWidth * kWidth);
constexpr std::chrono::seconds kPatience{60};

// Ends with the sandbox.
class Crowd {
 public:
  explicit Crowd(Stage& stage) : stage_(stage) {}
  absl::Status gather() {
    for (int i = 0; i < kWorkspaces; ++i) {
      const std::string cgroup = stage_.sandbox().cgroup_folder() + "/" + container_id();
      if (mkdir(cgroup.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, "make a cgroup");
      if (auto status = plant(cgroup); !status.ok()) return status;
    }
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (known("picket_enrich_workspaces") < kWorkspaces ||
           known("picket_enrich_processes") < kProcesses) {
      if (std::chrono::steady_clock::now() > until)
        return absl::DeadlineExceededError(
            fmt::format("the agent knows {} workspaces and {} processes",
                        known("picket_enrich_workspaces"), known("picket_enrich_processes")));
      poll(nullptr, 0, 200);
    }
    return absl::OkStatus();
  }

 private:
  double known(const char* gauge) const {
    return test::metric(stage_.deployment().agent_http(), gauge).value_or(0);
  }

  // The program returns when its tree stands; the tree lives on.
  static absl::Status plant(const std::string& cgroup) {
    const std::string levels = std::to_string(kLevels), width = std::to_string(kWidth);
    const pid_t child = fork();
    if (child == 0) {
      if (enter_cgroup(cgroup) == 0)
        execl(kProgram, "processes", "tree", levels.c_str(), width.c_str(), "0", nullptr);
      _exit(127);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
      return absl::InternalError(fmt::format("{} tree: status {}", kProgram, status));
    return absl::OkStatus();
  }

  Stage& stage_;
};

}  // namespace

absl::Status measure_crowd(Report& report) {
  auto stage = Stage::set_up(container_id(), {.agent_settings = "sensor: {ring_bytes: 4194304}\n"});
  if (!stage.ok()) return stage.status();
  if (auto status = (*stage)->deployment().start_agent(); !status.ok()) return status;
  Crowd crowd(**stage);
  if (auto status = crowd.gather(); !status.ok()) return status;
  const auto now = memory((*stage)->deployment().agent_pid());
  if (!now.ok()) return now.status();
  const std::string when =
      fmt::format("with {} workspaces and {} processes that live", kWorkspaces, kProcesses);
  report.add({.area = "Memory of the agent",
              .name = "PSS " + when,
              .unit = "MiB",
              .value = now->pss_mib,
              .at_most = 60,
              .note = "4 MiB ring"});
  report.add({.area = "Memory of the agent",
              .name = "RSS " + when,
              .unit = "MiB",
              .value = now->rss_mib,
              .note = "counts the mapped ring twice"});
  return absl::OkStatus();
}

}  // namespace picket::bench
