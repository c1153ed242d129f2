#include "tests/support/container.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "nlohmann/json.hpp"
#include "tests/support/image.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kInit[] = "/opt/picket-test/workspace_init";
// What Docker and containerd grant by default.
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",          "CAP_MKNOD",
    "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",      "CAP_SETFCAP",         "CAP_SETPCAP",
    "CAP_KILL",    "CAP_SYS_CHROOT",   "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"};

std::string random_id() {
  std::random_device source;
  std::string id;
  while (id.size() < 64) id += fmt::format("{:08x}", source());
  return id;
}

// CAP_CHOWN to CAP_CHECKPOINT_RESTORE.
constexpr const char* kPrivilegedToo[] = {"CAP_DAC_READ_SEARCH",
                                          "CAP_LINUX_IMMUTABLE",
                                          "CAP_NET_BROADCAST",
                                          "CAP_NET_ADMIN",
                                          "CAP_IPC_LOCK",
                                          "CAP_IPC_OWNER",
                                          "CAP_SYS_MODULE",
                                          "CAP_SYS_RAWIO",
                                          "CAP_SYS_PTRACE",
                                          "CAP_SYS_PACCT",
                                          "CAP_SYS_ADMIN",
                                          "CAP_SYS_BOOT",
                                          "CAP_SYS_NICE",
                                          "CAP_SYS_TIME",
                                          "CAP_SYS_TTY_CONFIG",
                                          "CAP_LEASE",
                                          "CAP_AUDIT_CONTROL",
                                          "CAP_MAC_OVERRIDE",
                                          "CAP_MAC_ADMIN",
                                          "CAP_SYSLOG",
                                          "CAP_WAKE_ALARM",
                                          "CAP_BLOCK_SUSPEND",
                                          "CAP_AUDIT_READ",
                                          "CAP_PERFMON",
                                          "CAP_BPF",
                                          "CAP_CHECKPOINT_RESTORE"};

json mount_row(const char* target, const char* type, std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", type}, {"options", options}};
}

json bind_row(const std::string& place, const char* access) {
  return {
      {"destination", place}, {"type", "bind"}, {"source", place}, {"options", {"rbind", access}}};
}

void make_privileged(json& config) {
  json& capabilities = config["process"]["capabilities"];
  for (auto& [name, set] : capabilities.items())
    for (const char* more : kPrivilegedToo) set.push_back(more);
  for (json& row : config["mounts"])
    for (json& option : row["options"])
      if (option == "ro") option = "rw";
  config["linux"]["maskedPaths"] = json::array();
  config["linux"]["readonlyPaths"] = json::array();
  config["linux"]["resources"]["devices"] = {{{"allow", true}, {"access", "rwm"}}};
}

json config_of(const ContainerOptions& options, const std::string& rootfs,
               const std::string& cgroup) {
  json namespaces = json::array();
  for (const std::string_view type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) {
    const bool of_host =
        (options.host_pids && type == "pid") || (options.host_network && type == "network");
    if (of_host) continue;
    json& row = namespaces.emplace_back(json{{"type", type}});
    if (options.network_of != 0 && type == "network")
      row["path"] = fmt::format("/proc/{}/ns/net", options.network_of);
  }
  json capabilities(kCapabilities);
  json annotations = json::object();
  for (const auto& [name, value] : options.annotations) annotations[name] = value;
  json config = {
      {"ociVersion", "1.0.2"},
      {"hostname", options.id.substr(0, 12)},
      {"annotations", annotations},
      {"root", {{"path", rootfs}, {"readonly", false}}},
      {"process",
       {{"terminal", false},
        {"user", {{"uid", options.uid}, {"gid", options.uid}}},
        {"args", options.command.empty() ? std::vector<std::string>{kInit} : options.command},
        {"env",
         {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/picket-test",
          "HOME=/root"}},
        {"cwd", "/"},
        {"capabilities",
         {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
        {"noNewPrivileges", false}}},
      {"mounts",
       {mount_row("/proc", "proc", {}),
        mount_row("/dev", "tmpfs", {"nosuid", "mode=755", "size=65536k"}),
        mount_row("/dev/pts", "devpts",
                  {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        mount_row("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777"}),
        mount_row("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
        mount_row("/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"})}},
      {"linux",
       {{"cgroupsPath", cgroup},
        {"namespaces", namespaces},
        {"resources", {{"devices", {{{"allow", false}, {"access", "rwm"}}}}}},
        {"maskedPaths", {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}},
        {"readonlyPaths",
         {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}}}};
  if (options.privileged) make_privileged(config);
  if (options.seccomp == "default") {
    config["linux"]["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls", {{{"names", {"kexec_load"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}}}}};
  } else if (!options.seccomp.empty()) {
    config["linux"]["seccomp"] = json::parse(std::ifstream(options.seccomp));
  }
  for (const std::string& place : options.binds) config["mounts"].push_back(bind_row(place, "ro"));
  for (const std::string& place : options.writable_binds)
    config["mounts"].push_back(bind_row(place, "rw"));
  return config;
}

// In a child of its own: the network namespace of the caller must stay what it is.
int raise_loopback_in(const char* netns) {
  int fd = open(netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) return 1;
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::string_view("lo").copy(request.ifr_name, IFNAMSIZ);
  request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  return ioctl(any, SIOCSIFFLAGS, &request) == 0 ? 0 : 1;
}

// The last number of the NSpid line is the one inside.
uint32_t vpid_of(uint32_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("NSpid:"))
      return static_cast<uint32_t>(std::stoul(line.substr(line.find_last_of(" \t") + 1)));
  return 0;
}

}  // namespace

Container::Container(Sandbox& sandbox, ContainerOptions options)
    : sandbox_(sandbox), options_(std::move(options)) {
  if (options_.id.empty()) options_.id = random_id();
  folder_ = sandbox_.path("containers/" + options_.id);
}

std::string Container::cgroup() const { return fmt::format("{}/{}", sandbox_.cgroup(), id()); }
std::string Container::cgroup_folder() const { return cgroup2_mount() + cgroup(); }
std::string Container::written(std::string_view path) const {
  return fmt::format("{}/upper{}", folder_, path);
}

std::vector<std::string> Container::runc(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {"runc", "--root", sandbox_.path("runc"), "--log",
                                   folder_ + "/runc.log"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

std::string Container::complaint_of_runc() const {
  return read_file(folder_ + "/runc.log").value_or("") +
         read_file(folder_ + "/stderr").value_or("");
}

absl::Status Container::write_bundle() const {
  std::error_code error;
  for (const char* part : {"upper", "work", "rootfs"})
    fs::create_directories(folder_ + "/" + part, error);
  if (error) return absl::InternalError(fmt::format("make the folders of container {}", id()));
  if (options_.uid != 0) {  // where the init of the tests writes what its jobs say
    const std::string jobs = folder_ + "/upper/run/jobs";
    fs::create_directories(jobs, error);
    if (error || chown(jobs.c_str(), options_.uid, options_.uid) != 0)
      return absl::InternalError(fmt::format("make {} for user {}", jobs, options_.uid));
  }
  return write_file(folder_ + "/config.json", config_of(options_, rootfs(), cgroup()).dump(1));
}

absl::StatusOr<std::unique_ptr<Container>> Container::create(Sandbox& sandbox,
                                                             ContainerOptions options) {
  std::unique_ptr<Container> container(new Container(sandbox, std::move(options)));
  if (absl::Status written = container->write_bundle(); !written.ok()) return written;
  if (absl::Status created = container->runc_create(); !created.ok()) return created;
  if (absl::Status up = container->bring_loopback_up(); !up.ok()) return up;
  return container;
}

absl::StatusOr<std::unique_ptr<Container>> Container::run_new(Sandbox& sandbox,
                                                              ContainerOptions options) {
  auto container = create(sandbox, std::move(options));
  if (!container.ok()) return container.status();
  if (absl::Status started = (*container)->start(); !started.ok()) return started;
  return container;
}

absl::Status Container::runc_create() {
  auto image = image_layers(options_.image);
  if (!image.ok()) return image.status();
  auto in = make_pipe();
  if (!in.ok()) return in.status();
  auto out = make_pipe();
  if (!out.ok()) return out.status();
  Fd complaints(
      open((folder_ + "/stderr").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));

  Command create;
  create.argv = runc({"create", "--bundle", folder_, "--pid-file", folder_ + "/pid", id()});
  create.in = in->read.get();
  create.out = out->write.get();
  create.err = complaints.get();
  create.cgroup2_view = !options_.v1;
  create.overlay = {
      fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", *image, folder_, folder_),
      rootfs()};
  create.dies_with_us = false;
  auto runc = Subprocess::start(create);
  if (!runc.ok()) return runc.status();
  auto code = (*runc)->wait();
  if (!code.ok()) return code.status();
  if (*code != 0)
    return absl::InternalError(fmt::format("runc create {}: {}", id(), complaint_of_runc()));
  auto pid = read_file(folder_ + "/pid");
  if (!pid.ok()) return pid.status();
  init_pid_ = static_cast<uint32_t>(std::stoul(*pid));
  orders_ = std::move(in->write);
  answers_ = std::make_unique<LineReader>(std::move(out->read));
  return absl::OkStatus();
}

absl::Status Container::bring_loopback_up() const {
  std::string netns = fmt::format("/proc/{}/ns/net", init_pid_);
  pid_t child = fork();
  if (child == 0) _exit(raise_loopback_in(netns.c_str()));
  int state = 0;
  if (child < 0 || waitpid(child, &state, 0) != child || state != 0)
    return absl::InternalError(fmt::format("bring lo up in container {}", id()));
  return absl::OkStatus();
}

absl::Status Container::start() {
  auto started = run_program({.argv = runc({"start", id()}), .cgroup2_view = !options_.v1});
  if (!started.ok()) return started.status();
  if (started->exit_code != 0)
    return absl::InternalError(
        fmt::format("runc start {}: {}{}", id(), started->err, complaint_of_runc()));
  return absl::OkStatus();
}

absl::Status Container::pause() {
  auto paused = run_program({.argv = runc({"pause", id()}), .cgroup2_view = !options_.v1});
  if (!paused.ok()) return paused.status();
  if (paused->exit_code != 0)
    return absl::InternalError(fmt::format("runc pause {}: {}", id(), paused->err));
  return absl::OkStatus();
}

absl::Status Container::wait_for_end() {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (answers_->next(deadline)) continue;
  if (answers_->closed()) return absl::OkStatus();
  return absl::DeadlineExceededError(fmt::format("wait for the end of container {}", id()));
}

uint32_t Container::pid_of(uint32_t vpid) const {
  for (uint32_t pid : pids())
    if (vpid_of(pid) == vpid) return pid;
  return 0;
}

absl::StatusOr<Container::Job> Container::launch(const std::vector<std::string>& argv) {
  std::string words;
  for (const std::string& word : argv) words.append(word).push_back('\0');
  uint32_t length = static_cast<uint32_t>(words.size());
  std::string order(reinterpret_cast<const char*>(&length), sizeof length);
  order += words;
  if (write(orders_.get(), order.data(), order.size()) != static_cast<ssize_t>(order.size()))
    return absl::InternalError(fmt::format("ask the init of container {} for {}", id(), argv[0]));
  Job job{.number = ++last_job_};
  auto vpid = await(job.number, "started");
  if (!vpid.ok()) return vpid.status();
  job.vpid = static_cast<uint32_t>(*vpid);
  job.pid = pid_of(job.vpid);  // it waits: a short job might else be over by now
  const uint32_t go = 0;
  if (write(orders_.get(), &go, sizeof go) != sizeof go)
    return absl::InternalError(fmt::format("let {} run in container {}", argv[0], id()));
  if (job.pid == 0)
    return absl::NotFoundError(fmt::format("find job {} of container {}", job.number, id()));
  return job;
}

absl::StatusOr<int> Container::await(uint32_t job, std::string_view what) {
  std::pair<uint32_t, std::string> wanted(job, what);
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!received_.contains(wanted)) {
    auto line = answers_->next(deadline);
    if (!line)
      return absl::DeadlineExceededError(
          fmt::format("container {}: job {} never {}; {}", id(), job, what, complaint_of_runc()));
    std::istringstream words(*line);
    std::string verb;
    uint32_t number = 0;
    int value = 0;
    words >> verb >> number >> value;
    received_[{number, verb}] = value;
  }
  return received_[wanted];
}

absl::StatusOr<int> Container::wait_for(const Job& job) { return await(job.number, "ended"); }

absl::StatusOr<std::string> Container::output_so_far(const Job& job) const {
  return read_file(written(fmt::format("/run/jobs/{}.out", job.number)));
}

absl::StatusOr<ProgramResult> Container::run(const std::vector<std::string>& argv) {
  auto job = launch(argv);
  if (!job.ok()) return job.status();
  auto code = wait_for(*job);
  if (!code.ok()) return code.status();
  auto text = output_so_far(*job);
  if (!text.ok()) return text.status();
  return ProgramResult{.exit_code = *code, .out = std::move(*text), .err = {}};
}

absl::StatusOr<ProgramResult> Container::exec(std::vector<std::string> argv) {
  argv.insert(argv.begin(), {"exec", id()});
  return run_program({.argv = runc(std::move(argv)), .cgroup2_view = !options_.v1});
}

absl::StatusOr<uint32_t> Container::exec_detached(std::vector<std::string> argv) {
  std::string pid_file = folder_ + "/exec.pid";
  argv.insert(argv.begin(), {"exec", "--detach", "--pid-file", pid_file, id()});
  // No pipes: the program would hold them open after runc has ended.
  auto runc_exec = Subprocess::start(
      {.argv = runc(std::move(argv)), .cgroup2_view = !options_.v1, .dies_with_us = false});
  if (!runc_exec.ok()) return runc_exec.status();
  auto code = (*runc_exec)->wait();
  if (!code.ok()) return code.status();
  if (*code != 0)
    return absl::InternalError(fmt::format("runc exec in {}: {}", id(), complaint_of_runc()));
  auto pid = read_file(pid_file);
  if (!pid.ok()) return pid.status();
  return static_cast<uint32_t>(std::stoul(*pid));
}

absl::StatusOr<ProgramResult> Container::type(std::vector<std::string> shell,
                                              std::string_view lines) {
  auto typed = make_pipe();
  if (!typed.ok()) return typed.status();
  if (write(typed->write.get(), lines.data(), lines.size()) != static_cast<ssize_t>(lines.size()))
    return absl::InternalError("type into a container");
  typed->write.reset();
  shell.insert(shell.begin(), {"exec", "--tty", id()});
  const std::string command = fmt::format("{}", fmt::join(runc(std::move(shell)), " "));
  return run_program({.argv = {"script", "--quiet", "--return", "--command", command, "/dev/null"},
                      .in = typed->read.get(),
                      .cgroup2_view = !options_.v1});
}

std::vector<uint32_t> Container::pids() const {
  std::vector<uint32_t> pids;
  std::error_code ignored;
  std::vector<fs::path> folders = {cgroup_folder()};  // and what was made below by its processes
  for (const auto& entry : fs::recursive_directory_iterator(folders[0], ignored))
    if (entry.is_directory(ignored)) folders.push_back(entry.path());
  for (const fs::path& folder : folders) {
    std::ifstream list(folder / "cgroup.procs");
    for (uint32_t pid; list >> pid;) pids.push_back(pid);
  }
  return pids;
}

absl::Status Container::remove() {
  orders_.reset();
  absl::Status gone = remove_cgroup(cgroup_folder());
  std::error_code error;
  // `runc delete` would do no more: processes and cgroup are gone.
  fs::remove_all(sandbox_.path("runc/" + id()), error);
  fs::remove_all(folder_, error);
  if (gone.ok() && error)
    gone = absl::InternalError(fmt::format("remove {}: {}", folder_, error.message()));
  return gone;
}

Container::~Container() {
  if (absl::Status gone = remove(); !gone.ok())
    fmt::print(stderr, "{}\n", std::string(gone.message()));
}

}  // namespace picket::test
