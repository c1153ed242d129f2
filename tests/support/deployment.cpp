#include "tests/support/deployment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>

#include "tests/support/http.h"

namespace picket::test {
namespace {

constexpr char kPkiTool[] = PICKET_SOURCE_DIR "/packaging/pki/picket-pki";
constexpr char kShippedRules[] = PICKET_SOURCE_DIR "/rules";

constexpr char kHideTracefs[] =
    "for folder in tracing debug; do mount -t tmpfs none /sys/kernel/$folder || exit; done; "
    "exec \"$@\"";

// $1 is the file.
constexpr char kKnowsThisHost[] = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";

std::string program(const char* name) { return fmt::format("{}/{}", PICKET_BINARY_DIR, name); }

std::string last_lines(const std::string& path) {
  std::string text = read_file(path).value_or("(no log)");
  return text.size() <= 4000 ? text : text.substr(text.size() - 4000);
}

absl::Status end_daemon(std::unique_ptr<Subprocess> daemon, int signal, int expected,
                        const std::string& log) {
  if (!daemon) return absl::OkStatus();
  daemon->signal(signal);
  auto code = daemon->wait();
  if (!code.ok()) return code.status();
  if (*code != expected)
    return absl::InternalError(fmt::format("a daemon ended with {}: {}", *code, last_lines(log)));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Subprocess>> launch(std::vector<std::string> argv,
                                                   const std::string& log) {
  Fd sink(open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  return Subprocess::start({.argv = std::move(argv), .out = sink.get(), .err = sink.get()});
}

// Ready or dead, whichever comes first.
absl::Status wait_until_ready(Subprocess& daemon, uint16_t http, const std::string& log) {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    auto ready = http_get(http, "/readyz");
    if (ready.ok() && ready->code == 200) return absl::OkStatus();
    if (!daemon.running_after(std::chrono::milliseconds(20)))
      return absl::InternalError(fmt::format("a daemon ended at its start: {}", last_lines(log)));
  }
  return absl::DeadlineExceededError(fmt::format("a daemon is not ready: {}", last_lines(log)));
}

}  // namespace

Deployment::Deployment(Sandbox& sandbox, DeploymentOptions options)
    : sandbox_(sandbox), options_(std::move(options)) {}

// The stream and the agent first: neither should complain about a collector that is gone.
Deployment::~Deployment() {
  alerts_.reset();
  agent_.reset();
  collector_.reset();
}

absl::Status Deployment::pki(std::vector<std::string> arguments, const std::string& folder) {
  arguments.insert(arguments.begin() + 1, sandbox_.path(folder));
  arguments.insert(arguments.begin(), kPkiTool);
  return output_of(std::move(arguments)).status();
}

absl::Status Deployment::write_configurations() {
  agent_file_ = sandbox_.path("picketd.yaml");
  collector_file_ = sandbox_.path("collector.yaml");
  context_file_ = sandbox_.path("context.yaml");
  std::string rules;
  if (options_.shipped_rules) rules += fmt::format("  - {}\n", kShippedRules);
  for (const std::string& path : options_.rule_paths) rules += fmt::format("  - {}\n", path);
  if (!options_.rules.empty()) {
    std::error_code error;
    std::filesystem::create_directory(sandbox_.path("rules"), error);
    if (auto written = write_file(sandbox_.path("rules/test.yaml"), options_.rules); !written.ok())
      return written;
    rules += "  - rules\n";
  }
  constexpr char kServer[] = "spiffe://picket/collector/collector";
  absl::Status written = write_file(
      agent_file_,
      fmt::format("state_dir: agent\nrules:\n{}"
                  "collector: {{address: '{}:{}', ca: pki/ca.crt, cert: pki/node-a.crt,\n"
                  "            key: pki/node-a.key, server_id: '{}'}}\n"
                  "http: 127.0.0.1:{}\n"
                  "workspaces: {{cgroup_roots: ['{}'], runc_roots: [runc]{}}}\n"
                  "respond: {{enabled: true, dry_run: {}, max_per_minute: {}}}\n{}",
                  rules, options_.collector_host, uplink_port_, kServer, ports_.agent_http,
                  options_.cgroup_root.empty() ? sandbox_.cgroup() : options_.cgroup_root,
                  options_.workspaces.empty() ? "" : ", " + options_.workspaces, !options_.respond,
                  options_.max_actions_per_minute, options_.agent_settings));
  if (!written.ok()) return written;
  written = write_file(
      collector_file_,
      fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\ndatabase: collector.db\n"
                  "tls: {{ca: pki/ca.crt, cert: pki/collector.crt, key: pki/collector.key}}\n"
                  "trust_domain: picket\n{}",
                  ports_.collector, ports_.collector_http, options_.collector_settings));
  if (!written.ok()) return written;
  return write_file(context_file_,
                    fmt::format("collector: 127.0.0.1:{}\nca: pki/ca.crt\ncert: pki/alice.crt\n"
                                "key: pki/alice.key\nserver_id: {}\n",
                                ports_.collector, kServer));
}

absl::Status Deployment::prepare() {
  for (uint16_t* port : {&ports_.collector, &ports_.collector_http, &ports_.agent_http}) {
    auto found = free_port();
    if (!found.ok()) return found.status();
    *port = *found;
  }
  uplink_port_ = ports_.collector;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"init"},
                                             {"issue", "collector", "collector"},
                                             {"issue", "node", "node-a"},
                                             {"issue", "operator", "admin", "alice"}})
    if (absl::Status made = pki(arguments); !made.ok()) return made;
  return write_configurations();
}

absl::StatusOr<std::unique_ptr<Deployment>> Deployment::with_collector(Sandbox& sandbox,
                                                                       DeploymentOptions options) {
  std::unique_ptr<Deployment> deployment(new Deployment(sandbox, std::move(options)));
  if (absl::Status ready = deployment->prepare(); !ready.ok()) return ready;
  if (absl::Status started = deployment->start_collector(); !started.ok()) return started;
  return deployment;
}

absl::StatusOr<std::unique_ptr<Deployment>> Deployment::with_agent(Sandbox& sandbox,
                                                                   DeploymentOptions options) {
  auto deployment = with_collector(sandbox, std::move(options));
  if (!deployment.ok()) return deployment.status();
  if (absl::Status started = (*deployment)->start_agent(); !started.ok()) return started;
  return deployment;
}

absl::Status Deployment::launch_collector() {
  auto daemon = launch({program("picket-collector"), "--config", collector_file_}, collector_log());
  if (!daemon.ok()) return daemon.status();
  collector_ = *std::move(daemon);
  return absl::OkStatus();
}

absl::Status Deployment::wait_for_collector() {
  return wait_until_ready(*collector_, ports_.collector_http, collector_log());
}

absl::Status Deployment::watch_alerts() {
  // What is stored already comes first: nothing is missed between the start and this.
  auto stream =
      AlertStream::start(picketctl_command({"alerts", "watch", "--since", "1h", "-o", "json"}));
  if (!stream.ok()) return stream.status();
  alerts_ = *std::move(stream);
  return absl::OkStatus();
}

absl::Status Deployment::start_collector() {
  if (absl::Status launched = launch_collector(); !launched.ok()) return launched;
  if (absl::Status ready = wait_for_collector(); !ready.ok()) return ready;
  return watch_alerts();
}

absl::Status Deployment::point_agent_at(uint16_t port) {
  uplink_port_ = port;
  return write_configurations();
}

absl::Status Deployment::launch_agent() {
  std::vector<std::string> argv;
  if (options_.without_tracefs)
    argv = {"unshare", "--mount", "--propagation", "private", "sh", "-c", kHideTracefs, "sh"};
  if (options_.collector_host != "127.0.0.1") {
    const std::string hosts = sandbox_.path("hosts");
    const std::string line = fmt::format("127.0.0.1 {}\n", options_.collector_host);
    if (absl::Status written = write_file(hosts, line); !written.ok()) return written;
    argv = {"unshare", "--mount", "--propagation", "private", "sh", "-c", kKnowsThisHost,
            "sh",      hosts};
  }
  argv.insert(argv.end(), {program("picketd"), "--config", agent_file_});
  if (!options_.recording.empty()) argv.insert(argv.end(), {"--record", options_.recording});
  auto daemon = launch(std::move(argv), agent_log());
  if (!daemon.ok()) return daemon.status();
  agent_ = *std::move(daemon);
  return absl::OkStatus();
}

absl::Status Deployment::wait_for_agent() {
  return wait_until_ready(*agent_, ports_.agent_http, agent_log());
}

absl::Status Deployment::start_agent() {
  if (absl::Status launched = launch_agent(); !launched.ok()) return launched;
  return wait_for_agent();
}

absl::Status Deployment::stop_agent() {
  return end_daemon(std::move(agent_), SIGTERM, 0, agent_log());
}

absl::Status Deployment::kill_agent() {
  return end_daemon(std::move(agent_), SIGKILL, 128 + SIGKILL, agent_log());
}

absl::Status Deployment::stop_collector() {
  alerts_.reset();
  return end_daemon(std::move(collector_), SIGTERM, 0, collector_log());
}

absl::Status Deployment::kill_collector() {
  alerts_.reset();
  return end_daemon(std::move(collector_), SIGKILL, 128 + SIGKILL, collector_log());
}

std::vector<std::string> Deployment::picketctl_command(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {program("picketctl"), "--context", context_file_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

absl::StatusOr<ProgramResult> Deployment::picketctl(std::vector<std::string> arguments) {
  return run_program({.argv = picketctl_command(std::move(arguments))});
}

}  // namespace picket::test
