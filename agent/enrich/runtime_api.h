// Asks a container runtime over its socket: the interface of Kubernetes (CRI), and containerd's
// own. Identity thread. A call ends after `timeout`, also while the runtime restarts; after one
// that nobody answered, further ones fail at once for `pause`, so that a dead runtime delays the
// identities of few. Errors: Unavailable: nobody answers; else what the runtime said, with the
// call.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "containerd/containers/v1/containers.pb.h"
#include "runtime/v1/runtime.pb.h"

namespace picket {

struct RuntimeApiOptions {
  // The first that exists is asked.
  std::vector<std::string> sockets = {"/run/containerd/containerd.sock", "/run/crio/crio.sock"};
  std::chrono::milliseconds timeout{1000};
  std::chrono::milliseconds pause{5000};
};

class RuntimeApi {
 public:
  explicit RuntimeApi(RuntimeApiOptions options);
  ~RuntimeApi();

  absl::StatusOr<runtime::v1::ContainerStatus> container(const std::string& id);
  absl::StatusOr<std::string> sandbox_of(const std::string& container_id);
  absl::StatusOr<runtime::v1::PodSandboxStatus> sandbox(const std::string& id);

  // Of a namespace of containerd.
  absl::StatusOr<containerd::services::containers::v1::Container> plain_container(
      const std::string& space, const std::string& id);
  absl::StatusOr<std::string> digest(const std::string& space, const std::string& image);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace picket
