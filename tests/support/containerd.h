// A real containerd with its Kubernetes interface, for one test: state, sockets and images in the
// sandbox, network and mounts in namespaces of its own, cgroups below the sandbox's. Starts pods as
// a kubelet does, and containers that no Kubernetes knows. Owner: the test's thread; everything
// ends with the sandbox. Errors: a Status with the runtime's own words.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sandbox.h"
#include "tests/support/subprocess.h"

namespace picket::test {

using Labels = std::map<std::string, std::string>;

struct PodOptions {
  std::string name;
  std::string ns = "dev";
  std::string container = "workspace";
  std::vector<std::string> command = {"/bin/sleep", "1000000"};
  Labels labels = {}, annotations = {};
  Labels container_labels = {}, container_annotations = {};
  bool privileged = false;
};

struct RunningPod {
  std::string uid;
  std::string sandbox_id;
  std::string container_id;
  std::string cgroup;  // of the container, from the cgroup v2 root
};

class Containerd {
 public:
  static constexpr char kImage[] = "picket.test/box:1";  // busybox and the tests' programs

  static absl::StatusOr<std::unique_ptr<Containerd>> start(Sandbox& sandbox);
  ~Containerd();
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  // Pods and containers live on, as on a node whose containerd is upgraded.
  absl::Status stop_daemon();
  absl::Status start_daemon();

  absl::StatusOr<RunningPod> run_pod(const PodOptions& options);
  absl::StatusOr<ProgramResult> exec(const RunningPod& pod, const std::vector<std::string>& argv);
  absl::Status remove(const RunningPod& pod);

  // In containerd's namespace "default", of which Kubernetes knows nothing; in the node's network.
  absl::Status run_plain(const std::string& id, const std::string& cgroup, const Labels& labels,
                         std::vector<std::string> command);

  std::string socket() const { return sandbox_.path("containerd/containerd.sock"); }
  std::string task_root() const {
    return sandbox_.path("containerd/state/io.containerd.runtime.v2.task");
  }
  const std::string& image_digest() const { return digest_; }

 private:
  struct Calls;
  explicit Containerd(Sandbox& sandbox);
  absl::Status write_configuration() const;
  absl::Status import_image();
  absl::StatusOr<std::string> ctr(std::vector<std::string> arguments) const;
  std::string log() const;

  Sandbox& sandbox_;
  std::string digest_;
  std::unique_ptr<Subprocess> daemon_;
  std::unique_ptr<Calls> calls_;
};

}  // namespace picket::test
