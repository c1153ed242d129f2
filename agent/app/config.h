// The agent's configuration: a YAML file and its drop-ins, strict. Plain values, read at start.
// Errors: InvalidArgument with file, line, column and what was expected, a line for each problem.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/enrich/ownership.h"
#include "common/log.h"

namespace picket {

struct CollectorConfig {
  std::string address;  // HOST:PORT
  std::string server_id = "spiffe://picket/collector/collector";
  std::filesystem::path ca, cert, key;
};

struct AgentConfig {
  std::filesystem::path state_dir = "/var/lib/picket";
  std::vector<std::filesystem::path> rules = {"/usr/share/picket/rules"};
  std::filesystem::path rules_key;  // public; not empty: only signed folders of rules are taken
  std::map<std::string, std::string> labels;  // of the node: rollouts of rules select by them
  std::filesystem::path kubernetes_audit;     // the API server's log; empty: nobody is joined
  CollectorConfig collector;
  std::string http = "127.0.0.1:9470";
  uint64_t spool_bytes = 256ULL << 20;
  bool spool_power_safe = false;  // wait for the disk before an envelope counts as kept

  uint64_t ring_bytes = 1 << 20;  // a power of two
  bool compat_calls = true;
  uint64_t flow_interval_seconds = 60;  // a flow through which bytes move is told that often
  uint64_t cpu_interval_seconds =
      10;                           // who keeps processors busy is looked for that often; 0: never
  uint64_t cpu_least_percent = 50;  // of one processor, to be told

  std::vector<std::string> cgroup_roots;  // every direct child is a workspace
  // Never workspaces, nor what lies below; from the cgroup v2 root. The agent's own is added.
  std::vector<std::string> excluded_cgroups;
  std::vector<std::filesystem::path> runc_roots = {"/run/runc"};
  std::vector<std::filesystem::path> containerd_roots = {
      "/run/containerd/io.containerd.runtime.v2.task"};

  // "": the usual places; "none": no runtime's API is asked.
  std::string cri_socket;
  uint64_t cri_timeout_ms = 1000;
  std::filesystem::path docker_root = "/var/lib/docker";
  std::vector<std::filesystem::path> storage_roots = {"/var/lib/containers/storage"};
  OwnershipKeys ownership;

  bool respond = true;
  bool dry_run = false;
  uint64_t max_actions_per_minute = 30;

  std::string log_level = "info";
  LogFormat log_format = LogFormat::text;
};

// `standalone`: no collector section is needed.
absl::StatusOr<AgentConfig> load_config(const std::filesystem::path& file, bool standalone);

}  // namespace picket
