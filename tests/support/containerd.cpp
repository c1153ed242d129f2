#include "tests/support/containerd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "runtime/v1/runtime.grpc.pb.h"
#include "tests/support/image.h"
#include "tests/support/kubelet.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
namespace cri = runtime::v1;

constexpr char kScripts[] = PICKET_SOURCE_DIR "/tests/support/containerd";

// {0}: the folder; {1}: the scripts; {2}: the image.
constexpr char kConfiguration[] = R"(version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{0}/state/containerd.sock"
[ttrpc]
  address = "{0}/state/containerd.ttrpc.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{2}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "{1}/runtime"
)";

std::string random_uid() {
  std::string uid;
  std::ifstream("/proc/sys/kernel/random/uuid") >> uid;
  return uid;
}

void set(google::protobuf::Map<std::string, std::string>& map, const Labels& labels) {
  for (const auto& [key, value] : labels) map[key] = value;
}

void set_identity(cri::PodSandboxConfig& config, const std::string& name, const std::string& ns,
                  const std::string& uid) {
  config.mutable_metadata()->set_name(name);
  config.mutable_metadata()->set_namespace_(ns);
  config.mutable_metadata()->set_uid(uid);
  set(*config.mutable_labels(), {{"io.kubernetes.pod.name", name},
                                 {"io.kubernetes.pod.namespace", ns},
                                 {"io.kubernetes.pod.uid", uid}});
}

// As a kubelet fills it. The network is the node's: containerd then needs no CNI plugin, and a pod
// in the node's network has no host name of its own.
cri::PodSandboxConfig pod_config(const PodOptions& options, const std::string& uid,
                                 const std::string& cgroup) {
  cri::PodSandboxConfig config;
  set(*config.mutable_labels(), options.labels);
  set_identity(config, options.name, options.ns, uid);
  set(*config.mutable_annotations(), options.annotations);
  config.mutable_linux()->set_cgroup_parent(cgroup);
  auto& security = *config.mutable_linux()->mutable_security_context();
  security.set_privileged(options.privileged);
  security.mutable_namespace_options()->set_network(cri::NODE);
  security.mutable_namespace_options()->set_pid(cri::CONTAINER);
  return config;
}

cri::ContainerConfig container_config(const PodOptions& options, const std::string& uid) {
  cri::ContainerConfig config;
  config.mutable_metadata()->set_name(options.container);
  config.mutable_image()->set_image(Containerd::kImage);
  for (const std::string& word : options.command) config.add_command(word);
  set(*config.mutable_labels(), options.container_labels);
  set(*config.mutable_labels(), {{"io.kubernetes.container.name", options.container},
                                 {"io.kubernetes.pod.name", options.name},
                                 {"io.kubernetes.pod.namespace", options.ns},
                                 {"io.kubernetes.pod.uid", uid}});
  set(*config.mutable_annotations(), options.container_annotations);
  auto& security = *config.mutable_linux()->mutable_security_context();
  security.set_privileged(options.privileged);
  security.mutable_namespace_options()->set_network(cri::NODE);
  security.mutable_namespace_options()->set_pid(cri::CONTAINER);
  security.mutable_run_as_user()->set_value(options.user);
  auto& seccomp = *security.mutable_seccomp();
  seccomp.set_profile_type(options.seccomp.empty()        ? cri::SecurityProfile::Unconfined
                           : options.seccomp == "default" ? cri::SecurityProfile::RuntimeDefault
                                                          : cri::SecurityProfile::Localhost);
  if (seccomp.profile_type() == cri::SecurityProfile::Localhost)
    seccomp.set_localhost_ref("localhost/" + options.seccomp);
  return config;
}

}  // namespace

struct Containerd::Request {
  cri::PodSandboxConfig sandbox;
  cri::ContainerConfig container;
};

struct Containerd::Calls {
  explicit Calls(const std::string& socket)
      : stub(cri::RuntimeService::NewStub(
            grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()))) {}

  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (cri::RuntimeService::Stub::*method)(
                                    grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    context.set_wait_for_ready(true);
    Response response;
    const grpc::Status status = (stub.get()->*method)(&context, request, &response);
    if (status.ok()) return response;
    return absl::InternalError(
        fmt::format("{}: {}", Request::descriptor()->name(), status.error_message()));
  }

  std::unique_ptr<cri::RuntimeService::Stub> stub;
};

Containerd::Containerd(Sandbox& sandbox, Network network) : sandbox_(sandbox), network_(network) {}
Containerd::~Containerd() = default;

std::string Containerd::log() const {
  std::string text = read_file(sandbox_.path("containerd/log")).value_or("(no log)");
  return text.size() <= 2000 ? text : text.substr(text.size() - 2000);
}

absl::Status Containerd::write_configuration() const {
  const std::string folder = sandbox_.path("containerd");
  std::error_code error;
  fs::create_directories(folder, error);
  fs::create_directory(sandbox_.cgroup_folder() + "/node", error);
  if (error) return absl::InternalError(fmt::format("make {}: {}", folder, error.message()));
  return write_file(folder + "/config.toml", fmt::format(kConfiguration, folder, kScripts, kImage));
}

absl::Status Containerd::start_daemon() {
  const std::string folder = sandbox_.path("containerd");
  Fd sink(open((folder + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  auto daemon = Subprocess::start(
      {.argv = {fmt::format("{}/node", kScripts), folder, fmt::format("{}/node", sandbox_.cgroup()),
                network_ == Network::own ? "own" : "machine"},
       .out = sink.get(),
       .err = sink.get(),
       .cgroup2_view = true});
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  calls_ = std::make_unique<Calls>(socket());
  auto version = calls_->call(&cri::RuntimeService::Stub::Version, cri::VersionRequest());
  if (!version.ok())
    return absl::InternalError(
        fmt::format("start containerd: {}; {}", std::string(version.status().message()), log()));
  return absl::OkStatus();
}

absl::Status Containerd::stop_daemon() {
  calls_.reset();
  daemon_->signal(SIGTERM);
  auto code = daemon_->wait();
  daemon_.reset();
  return code.status();
}

absl::StatusOr<std::unique_ptr<Containerd>> Containerd::start(Sandbox& sandbox, Network network) {
  std::unique_ptr<Containerd> containerd(new Containerd(sandbox, network));
  if (absl::Status status = containerd->write_configuration(); !status.ok()) return status;
  if (absl::Status status = containerd->start_daemon(); !status.ok()) return status;
  if (absl::Status status = containerd->import_box(); !status.ok()) return status;
  return containerd;
}

absl::StatusOr<std::string> Containerd::ctr(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"ctr", "--address", socket()});
  return output_of(std::move(arguments));
}

absl::Status Containerd::import_image(const std::string& name,
                                      const std::vector<std::string>& folders) {
  const std::string archive = sandbox_.path("containerd/image.tar");
  std::vector<std::string> pack = {fmt::format("{}/archive", kScripts), name, archive};
  pack.insert(pack.end(), folders.begin(), folders.end());
  if (auto packed = output_of(std::move(pack)); !packed.ok()) return packed.status();
  for (const char* space : {"k8s.io", "default"}) {
    // With the digest's name, which an image has that came from a registry.
    auto imported = ctr({"--namespace", space, "images", "import", "--base-name",
                         name.substr(0, name.rfind(':')), "--digests", archive});
    if (!imported.ok()) return imported.status();
  }
  return absl::OkStatus();
}

absl::Status Containerd::import_box() {
  auto layers = image_layers("busybox");
  if (!layers.ok()) return layers.status();
  const size_t colon = layers->find(':');  // the upper of the overlay's layers first
  const absl::Status imported =
      import_image(kImage, {layers->substr(colon + 1), layers->substr(0, colon)});
  if (!imported.ok()) return imported;
  auto list = ctr({"--namespace", "default", "images", "list", "name==" + std::string(kImage)});
  if (!list.ok()) return list.status();
  const size_t at = list->find("sha256:");
  if (at == std::string::npos) return absl::InternalError("import the image: " + *list);
  digest_ = list->substr(at, list->find(' ', at) - at);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Containerd::start_container(const RunningPod& pod,
                                                        const Request& request) {
  cri::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod.sandbox_id);
  *create.mutable_config() = request.container;
  *create.mutable_sandbox_config() = request.sandbox;
  auto created = calls_->call(&cri::RuntimeService::Stub::CreateContainer, create);
  if (!created.ok()) return created.status();
  cri::StartContainerRequest start;
  start.set_container_id(created->container_id());
  auto started = calls_->call(&cri::RuntimeService::Stub::StartContainer, start);
  if (!started.ok()) return started.status();
  return created->container_id();
}

absl::StatusOr<RunningPod> Containerd::run_pod(const PodOptions& options) {
  RunningPod pod{.uid = random_uid(), .sandbox_id = {}, .container_id = {}, .cgroup = {}};
  const std::string parent = fmt::format("{}/kubepods/burstable/pod{}", sandbox_.cgroup(), pod.uid);
  const Request request{pod_config(options, pod.uid, parent), container_config(options, pod.uid)};
  if (absl::Status status = run_sandbox(pod, request); !status.ok()) return status;
  auto id = start_container(pod, request);
  if (!id.ok()) return id.status();
  pod.container_id = *std::move(id);
  pod.cgroup = fmt::format("{}/{}", parent, pod.container_id);
  return pod;
}

absl::Status Containerd::run_sandbox(RunningPod& pod, const Request& request) {
  cri::RunPodSandboxRequest run;
  *run.mutable_config() = request.sandbox;
  auto sandbox = calls_->call(&cri::RuntimeService::Stub::RunPodSandbox, run);
  if (!sandbox.ok()) return sandbox.status();
  pod.sandbox_id = sandbox->pod_sandbox_id();
  return absl::OkStatus();
}

// What a kubelet does with a pod's manifest: kubelet.h.
absl::StatusOr<RunningPod> Containerd::run_pod(const SpecifiedPod& specified) {
  RunningPod pod{.uid = random_uid(), .sandbox_id = {}, .container_id = {}, .cgroup = {}};
  const std::string parent = fmt::format("{}/kubepods/burstable/pod{}", sandbox_.cgroup(), pod.uid);
  auto sandbox = sandbox_config(specified, pod.uid, parent);
  if (!sandbox.ok()) return sandbox.status();
  Request request{*std::move(sandbox), {}};
  if (absl::Status status = run_sandbox(pod, request); !status.ok()) return status;
  for (const char* kind : {"initContainers", "containers"}) {
    for (const Manifest& container : specified.spec.value(kind, Manifest::array())) {
      auto config = container_config(specified, container, pod.uid);
      if (!config.ok()) return config.status();
      request.container = *std::move(config);
      auto id = start_container(pod, request);
      if (!id.ok()) return id.status();
      pod.container_id = *std::move(id);
      if (std::string_view(kind) == "containers") continue;
      auto code = wait_for_end(pod);
      if (!code.ok()) return code.status();
      if (*code != 0)
        return absl::InternalError(fmt::format("init container ended with {}", *code));
    }
  }
  pod.cgroup = fmt::format("{}/{}", parent, pod.container_id);
  return pod;
}

absl::StatusOr<int> Containerd::wait_for_end(const RunningPod& pod) {
  cri::ContainerStatusRequest request;
  request.set_container_id(pod.container_id);
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {  // CRI of 1.6 tells no events
    auto answer = calls_->call(&cri::RuntimeService::Stub::ContainerStatus, request);
    if (!answer.ok()) return answer.status();
    if (answer->status().state() == cri::CONTAINER_EXITED) return answer->status().exit_code();
    poll(nullptr, 0, 20);
  }
  return absl::DeadlineExceededError("a container does not end");
}

absl::StatusOr<int> Containerd::stop_container(const RunningPod& pod,
                                               std::chrono::seconds patience) {
  cri::StopContainerRequest request;
  request.set_container_id(pod.container_id);
  request.set_timeout(patience.count());
  auto stopped = calls_->call(&cri::RuntimeService::Stub::StopContainer, request);
  if (!stopped.ok()) return stopped.status();
  return wait_for_end(pod);
}

absl::StatusOr<ProgramResult> Containerd::exec(const RunningPod& pod,
                                               const std::vector<std::string>& argv) {
  cri::ExecSyncRequest request;
  request.set_container_id(pod.container_id);
  request.set_timeout(std::chrono::seconds(kDeadline).count());
  for (const std::string& word : argv) request.add_cmd(word);
  auto answer = calls_->call(&cri::RuntimeService::Stub::ExecSync, request);
  if (!answer.ok()) return answer.status();
  return ProgramResult{
      .exit_code = answer->exit_code(), .out = answer->stdout(), .err = answer->stderr()};
}

absl::Status Containerd::remove(const RunningPod& pod) {
  cri::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(pod.sandbox_id);
  // Its container may just be ending, and its shim with it: a kubelet asks again as well.
  auto stopped = calls_->call(&cri::RuntimeService::Stub::StopPodSandbox, stop);
  for (int attempt = 1; !stopped.ok() && attempt < 5; ++attempt)
    stopped = calls_->call(&cri::RuntimeService::Stub::StopPodSandbox, stop);
  if (!stopped.ok()) return stopped.status();
  cri::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(pod.sandbox_id);
  return calls_->call(&cri::RuntimeService::Stub::RemovePodSandbox, remove).status();
}

absl::Status Containerd::run_plain(const std::string& id, const std::string& cgroup,
                                   const Labels& labels, std::vector<std::string> command) {
  std::vector<std::string> arguments = {
      "--namespace", "default",  "run",  "--detach",      "--null-io",
      "--net-host",  "--cgroup", cgroup, "--runc-binary", fmt::format("{}/runtime", kScripts)};
  for (const auto& [key, value] : labels)
    arguments.insert(arguments.end(), {"--label", fmt::format("{}={}", key, value)});
  arguments.insert(arguments.end(), {kImage, id});
  arguments.insert(arguments.end(), command.begin(), command.end());
  return ctr(std::move(arguments)).status();
}

}  // namespace picket::test
