#include "tests/bench/suite/stage.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace picket::bench {
namespace {

absl::Status make_cgroup(const std::string& path) {
  return mkdir(path.c_str(), 0755) == 0
             ? absl::OkStatus()
             : absl::InternalError(fmt::format("make cgroup {}: {}", path, strerror(errno)));
}

}  // namespace

std::string container_id() {
  uint8_t bytes[32]{};
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return std::string(64, 'b');
  std::string id;
  for (const uint8_t byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::set_up(std::string workspace_id,
                                                     test::DeploymentOptions options) {
  std::unique_ptr<Stage> stage(new Stage);
  auto sandbox = test::Sandbox::create();
  if (!sandbox.ok()) return sandbox.status();
  stage->sandbox_ = *std::move(sandbox);
  stage->workspace_id_ = std::move(workspace_id);
  // Every direct child of the sandbox's cgroup is a workspace: what is not watched stands beside
  // it.
  stage->watched_ = stage->sandbox_->cgroup_folder() + "/" + stage->workspace_id_;
  stage->unwatched_ = fmt::format("{}/picket-bench.{}", test::cgroup2_mount(), getpid());
  for (const std::string& path : {stage->watched_, stage->unwatched_}) {
    if (auto status = make_cgroup(path); !status.ok()) return status;
  }
  auto deployment = test::Deployment::with_collector(*stage->sandbox_, std::move(options));
  if (!deployment.ok()) return deployment.status();
  stage->deployment_ = *std::move(deployment);
  return stage;
}

Stage::~Stage() {
  deployment_.reset();
  for (const std::string& path : {watched_, unwatched_}) {
    if (path.empty() || access(path.c_str(), F_OK) != 0) continue;
    if (auto status = test::remove_cgroup(path); !status.ok()) {
      fmt::print(stderr, "{}\n", std::string(status.message()));
    }
  }
}

}  // namespace picket::bench
