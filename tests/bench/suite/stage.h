// The machine that every stage of the run measures on: a collector, an agent that a stage starts
// and stops, one cgroup that the agent watches as a workspace and one that it does not. Owner: the
// benchmark's only thread. Errors: a Status that says what could not be set up; everything is
// removed with the Stage.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/harness/report.h"
#include "tests/support/deployment.h"

namespace picket::bench {

std::string container_id();  // 64 hex digits, another one each time

class Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Stage>> set_up(std::string workspace_id,
                                                       test::DeploymentOptions options);
  ~Stage();

  test::Sandbox& sandbox() { return *sandbox_; }
  test::Deployment& deployment() { return *deployment_; }
  const std::string& watched() const { return watched_; }  // cgroup folders
  const std::string& unwatched() const { return unwatched_; }
  const std::string& workspace_id() const { return workspace_id_; }

 private:
  Stage() = default;
  std::unique_ptr<test::Sandbox> sandbox_;
  std::unique_ptr<test::Deployment> deployment_;
  std::string workspace_id_, watched_, unwatched_;
};

// The parts of the run. Each adds its figures; what it returns says why it could not measure.
absl::Status measure_overhead(int pairs, Report& report);
absl::Status measure_footprint(Report& report);
absl::Status measure_crowd(Report& report);
absl::Status measure_latency(int shells, Report& report);
absl::Status measure_workloads(Report& report);
absl::Status measure_replay(const std::string& program, Report& report);

// Makes the recording that measure_replay() uses: less of the same work.
absl::Status record_work(const std::string& file);

}  // namespace picket::bench
