// A real containerd with its Kubernetes interface, for one test: state, sockets and images in the
// sandbox, network and mounts in namespaces of its own, cgroups below the sandbox's. Starts pods as
// a kubelet does, and containers that no Kubernetes knows. Owner: the test's thread; everything
// ends with the sandbox. Errors: a Status with the runtime's own words.
#pragma once

#include <chrono>
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
  int64_t user = 0;
  // "": no filter, as a container has that asks for none; "default": the runtime's; else a file.
  std::string seccomp = {};
};

// A container of a pod, as a manifest describes it (kubelet.h).
struct SpecifiedPod;

struct RunningPod {
  std::string uid;
  std::string sandbox_id;
  std::string container_id;
  std::string cgroup;  // of the container, from the cgroup v2 root
};

class Containerd {
 public:
  static constexpr char kImage[] = "picket.test/box:1";  // busybox and the tests' programs

  // Its pods see an empty network; or the machine's, of which they use 127.0.0.1 only.
  enum class Network { own, machine };
  static absl::StatusOr<std::unique_ptr<Containerd>> start(Sandbox& sandbox,
                                                           Network network = Network::own);
  ~Containerd();
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  // Pods and containers live on, as on a node whose containerd is upgraded.
  absl::Status stop_daemon();
  absl::Status start_daemon();

  absl::StatusOr<RunningPod> run_pod(const PodOptions& options);
  // Its first containers one after the other, each to a good end; then the only other one.
  absl::StatusOr<RunningPod> run_pod(const SpecifiedPod& pod);
  // TERM, and KILL after `patience`; returns its exit code.
  absl::StatusOr<int> stop_container(const RunningPod& pod, std::chrono::seconds patience);
  // The exit code of a container that ends by itself.
  absl::StatusOr<int> wait_for_end(const RunningPod& pod);
  // An image of one layer, from folders that lie one over the other.
  absl::Status import_image(const std::string& name, const std::vector<std::string>& folders);
  absl::StatusOr<ProgramResult> exec(const RunningPod& pod, const std::vector<std::string>& argv);
  absl::Status remove(const RunningPod& pod);

  // In containerd's namespace "default", of which Kubernetes knows nothing; in the node's network.
  absl::Status run_plain(const std::string& id, const std::string& cgroup, const Labels& labels,
                         std::vector<std::string> command);

  std::string state() const { return sandbox_.path("containerd/state"); }  // /run/containerd
  std::string socket() const { return state() + "/containerd.sock"; }
  std::string task_root() const { return state() + "/io.containerd.runtime.v2.task"; }
  const std::string& image_digest() const { return digest_; }

 private:
  struct Calls;
  struct Request;
  Containerd(Sandbox& sandbox, Network network);
  absl::Status write_configuration() const;
  absl::Status import_box();
  absl::Status run_sandbox(RunningPod& pod, const Request& request);
  absl::StatusOr<std::string> start_container(const RunningPod& pod, const Request& request);
  absl::StatusOr<std::string> ctr(std::vector<std::string> arguments) const;
  std::string log() const;

  Sandbox& sandbox_;
  const Network network_;
  std::string digest_;
  std::unique_ptr<Subprocess> daemon_;
  std::unique_ptr<Calls> calls_;
};

}  // namespace picket::test
