// A collector and an agent as operators run them: real programs, real certificates, all state in
// the sandbox, all ports on 127.0.0.1. Owner: the test's thread; both daemons end with it. Errors:
// a Status with the daemon's last words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/alert_stream.h"
#include "tests/support/sandbox.h"
#include "tests/support/subprocess.h"

namespace picket::test {

struct DeploymentOptions {
  std::string rules = {};  // the test's own, besides the shipped ones
  bool shipped_rules = true;
  std::vector<std::string> rule_paths = {};  // files and folders that are read before `rules`
  bool respond = false;        // carry out what rules ask for; commands are carried out either way
  std::string recording = {};  // of the agent's records; empty: none
  uint64_t max_actions_per_minute = 30;
  // Below it, every direct child is a workspace; empty: the sandbox's cgroup.
  std::string cgroup_root = {};
  std::string workspaces = {};      // further settings of that section: "key: value, key: value"
  std::string agent_settings = {};  // further lines of the agent's configuration
  // How the agent's configuration names the collector's machine, which is 127.0.0.1; if it is a name
  // of the test's own, only the agent's /etc/hosts knows it.
  std::string collector_host = "127.0.0.1";
  std::string collector_settings = {};  // and of the collector's
  // The agent's mount namespace has no tracefs, as a container's without that mount: the kernel
  // then refuses every hook on the tracepoint of a single system call.
  bool without_tracefs = false;
};

class Deployment {
 public:
  // Certificates, configuration files and a running collector; the agent is the test's to start.
  static absl::StatusOr<std::unique_ptr<Deployment>> with_collector(Sandbox& sandbox,
                                                                    DeploymentOptions options = {});
  static absl::StatusOr<std::unique_ptr<Deployment>> with_agent(Sandbox& sandbox,
                                                                DeploymentOptions options = {});
  ~Deployment();

  absl::Status start_collector();  // and the stream of its alerts, from the oldest one on
  absl::Status start_agent();      // returns when it watches
  absl::Status stop_agent();       // as an operator would: SIGTERM, and it must end well
  absl::Status stop_collector();
  absl::Status kill_agent();      // SIGKILL, and nothing else may have ended it
  absl::Status kill_collector();  // its stream of alerts ends with it

  // The two halves of start_...(): the program runs; it is ready.
  absl::Status launch_agent();
  absl::Status wait_for_agent();
  absl::Status launch_collector();
  absl::Status wait_for_collector();
  absl::Status watch_alerts();  // from the oldest one on
  // Before start_agent(): its collector is at another port of 127.0.0.1.
  absl::Status point_agent_at(uint16_t port);

  // Runs picketctl as an operator who may do everything.
  absl::StatusOr<ProgramResult> picketctl(std::vector<std::string> arguments);
  AlertStream& alerts() { return *alerts_; }

  absl::Status pki(std::vector<std::string> arguments, const std::string& folder = "pki");
  std::string pki_file(const std::string& name) const { return sandbox_.path("pki/" + name); }
  const std::string& agent_configuration() const { return agent_file_; }

  // While they run.
  pid_t agent_pid() const { return agent_->pid(); }
  Subprocess& agent() { return *agent_; }
  Subprocess& collector() { return *collector_; }
  uint16_t collector_port() const { return ports_.collector; }
  uint16_t collector_http() const { return ports_.collector_http; }
  uint16_t agent_http() const { return ports_.agent_http; }
  std::string collector_log() const { return sandbox_.path("collector.log"); }
  std::string agent_log() const { return sandbox_.path("agent.log"); }
  std::string database() const { return sandbox_.path("collector.db"); }

 private:
  Deployment(Sandbox& sandbox, DeploymentOptions options);
  absl::Status prepare();
  absl::Status write_configurations();
  std::vector<std::string> picketctl_command(std::vector<std::string> arguments) const;

  struct Ports {
    uint16_t collector = 0, collector_http = 0, agent_http = 0;
  };
  Sandbox& sandbox_;
  DeploymentOptions options_;
  Ports ports_;
  uint16_t uplink_port_ = 0;
  std::string agent_file_, collector_file_, context_file_;
  std::unique_ptr<Subprocess> collector_, agent_;
  std::unique_ptr<AlertStream> alerts_;
};

}  // namespace picket::test
