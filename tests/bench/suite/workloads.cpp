// What a developer does in a workspace, in a real container with this machine's tools: git clone,
// npm install, a cmake build. No network: everything that they fetch is made before.
#include <fmt/format.h>
#include <poll.h>

#include <sstream>

#include "tests/bench/harness/process_cost.h"
#include "tests/bench/suite/stage.h"
#include "tests/support/container.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

struct Workload {
  std::string name, tool;
  double at_most;  // the agent's CPU, in percent of the workload's
  std::string prepare, work;
};

// 1,200 files in 60 folders, 20 packages of 30 files, 24 files of C++.
const Workload kWorkloads[] = {
    {"git clone", "git", 2, R"(
mkdir /tmp/source && cd /tmp/source && git init -q
for folder in $(seq 60); do
  mkdir src$folder
  for file in $(seq 20); do seq $((folder * file)) $((folder * file + 400)) > src$folder/$file.txt; done
done
git add . && git -c user.name=dev -c user.email=dev@localhost commit -qm files
git clone -q --bare /tmp/source /tmp/bare.git)",
     R"(
git clone -q file:///tmp/bare.git /tmp/clone && cd /tmp/clone && git status --short && git log --stat | wc -l)"},
    {"npm install", "npm", 2, R"(
mkdir -p /tmp/packages /tmp/app && cd /tmp/packages
dependencies=
for number in $(seq 20); do
  mkdir -p p$number/package/lib
  for file in $(seq 30); do echo "exports.value = $file" > p$number/package/lib/$file.js; done
  echo "{\"name\": \"p$number\", \"version\": \"1.0.0\"}" > p$number/package/package.json
  tar -czf p$number.tgz -C p$number package
  dependencies="$dependencies${dependencies:+, }\"p$number\": \"file:/tmp/packages/p$number.tgz\""
done
echo "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {$dependencies}}" > /tmp/app/package.json)",
     R"(
cd /tmp/app && npm install --offline --no-audit --no-fund --cache /tmp/npm-cache && test -f node_modules/p20/lib/30.js)"},
    {"cmake build", "cmake", 0.5, R"(
mkdir /tmp/project && cd /tmp/project
echo 'int main() { return 0; }' > main.cpp
sources=main.cpp
for number in $(seq 24); do
  printf '#include <map>\n#include <string>\n#include <vector>\nstd::map<std::string, std::vector<int>> v%d() { return {{"a", {%d}}}; }\n' $number $number > f$number.cpp
  sources="$sources f$number.cpp"
done
printf 'cmake_minimum_required(VERSION 3.20)\nproject(p CXX)\nadd_executable(p %s)\n' "$sources" > CMakeLists.txt)",
     R"(
cd /tmp/project && cmake -S . -B build && cmake --build build -j 2 && build/p)"},
};

absl::StatusOr<double> cgroup_cpu_seconds(const std::string& folder) {
  const auto text = test::read_file(folder + "/cpu.stat");
  if (!text.ok()) return text.status();
  std::istringstream words(*text);
  std::string key;
  double usage_us = 0;
  if (!(words >> key >> usage_us) || key != "usage_usec")
    return absl::InternalError(fmt::format("{}/cpu.stat has no usage_usec", folder));
  return usage_us * 1e-6;
}

class Workspace {
 public:
  Workspace(Stage& stage, test::Container& container) : stage_(stage), container_(container) {}

  absl::Status measure(const Workload& load, Report& report) {
    if (auto status = run(load.name + ", prepared", load.prepare); !status.ok()) return status;
    const auto before = settled();
    if (!before.ok()) return before.status();
    if (auto status = run(load.name, load.work); !status.ok()) return status;
    const auto after = settled();
    if (!after.ok()) return after.status();
    const double events = after->events - before->events, work_s = after->work_s - before->work_s;
    if (events < 100)
      return absl::InternalError(fmt::format("{} gave only {} events", load.name, events));
    report.add({.area = "Work of a developer, in a container",
                .name = load.name + ", records lost",
                .unit = "",
                .value = after->lost - before->lost,
                .at_most = 0,
                .note = fmt::format("of {:.0f} events", events)});
    report.add(
        {.area = "Work of a developer, in a container",
         .name = load.name + ", the agent's CPU against the work's",
         .unit = "%",
         .value = 100 * (after->agent_s - before->agent_s) / work_s,
         .at_most = load.at_most,
         .note = fmt::format("{:.2f} s of {:.1f} s", after->agent_s - before->agent_s, work_s)});
    return absl::OkStatus();
  }

 private:
  struct Reading {
    double agent_s = 0, work_s = 0, events = 0, lost = 0;
  };

  absl::Status run(const std::string& name, const std::string& script) {
    const auto done = container_.run({"sh", "-ec", script});
    if (!done.ok()) return done.status();
    if (done->exit_code == 0) return absl::OkStatus();
    return absl::InternalError(
        fmt::format("{}: exit status {}: {}", name, done->exit_code, done->out.substr(0, 2000)));
  }

  absl::StatusOr<Reading> read() const {
    const uint16_t port = stage_.deployment().agent_http();
    const auto agent = cpu_seconds(stage_.deployment().agent_pid());
    const auto work = cgroup_cpu_seconds(container_.cgroup_folder());
    const auto events = test::metric(port, "picket_pipeline_events_total");
    const auto lost = test::metric(port, "picket_sensor_lost_total");
    for (const auto* one : {&agent, &work, &events, &lost})
      if (!one->ok()) return one->status();
    return Reading{*agent, *work, *events, *lost};
  }

  // When a fifth of a second brings next to nothing, the pipeline has caught up; losses are counted
  // once a second.
  absl::StatusOr<Reading> settled() const {
    poll(nullptr, 0, 1500);
    auto last = read();
    while (last.ok()) {
      poll(nullptr, 0, 200);
      auto now = read();
      if (!now.ok() || now->events - last->events < 20) return now;
      last = now;
    }
    return last;
  }

  Stage& stage_;
  test::Container& container_;
};

}  // namespace

absl::Status measure_workloads(Report& report) {
  auto stage = Stage::set_up(container_id(), {});
  if (!stage.ok()) return stage.status();
  if (auto status = (*stage)->deployment().start_agent(); !status.ok()) return status;
  auto container = test::Container::run_new(
      (*stage)->sandbox(), {.binds = {"/usr", "/lib", "/lib64", "/etc/alternatives"}});
  if (!container.ok()) return container.status();
  Workspace workspace(**stage, **container);
  for (const Workload& load : kWorkloads) {
    absl::Status status = test::is_installed(load.tool)
                              ? workspace.measure(load, report)
                              : absl::NotFoundError(load.tool + " is not installed");
    if (!status.ok()) report.miss(load.name, std::string(status.message()));
  }
  return absl::OkStatus();
}

}  // namespace picket::bench
