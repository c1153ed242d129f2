#include "agent/app/config.h"

#include <fmt/format.h>

#include <bit>

#include "common/config_reader.h"

namespace picket {
namespace {

constexpr uint64_t kMaxRing = 1ULL << 30;
constexpr size_t kMaxLabelKey = 317;  // of Kubernetes: a prefix of 253, a slash, a name of 63

void read_collector(ConfigReader section, CollectorConfig& collector, bool required) {
  section.read("address", collector.address);
  section.read("server_id", collector.server_id);
  section.read("ca", collector.ca);
  section.read("cert", collector.cert);
  section.read("key", collector.key);
  if (required) {
    if (collector.address.empty()) section.fail("address", "expected HOST:PORT of the collector");
    if (collector.ca.empty()) section.fail("ca", "expected the file of the certificate authority");
    if (collector.cert.empty())
      section.fail("cert", "expected the file of this node's certificate");
    if (collector.key.empty()) section.fail("key", "expected the file of this node's private key");
  }
  section.finish_section();
}

void read_sensor(ConfigReader section, AgentConfig& config) {
  section.read("ring_bytes", config.ring_bytes, 64 << 10, kMaxRing);
  if (!std::has_single_bit(config.ring_bytes))
    section.fail("ring_bytes", "expected a power of two");
  section.read("compat_calls", config.compat_calls);
  section.read("flow_interval_seconds", config.flow_interval_seconds, 0, 86400);
  section.read("cpu_interval_seconds", config.cpu_interval_seconds, 0, 3600);
  section.read("cpu_least_percent", config.cpu_least_percent, 1, 1000);
  section.finish_section();
}

// The root itself would leave out everything.
bool is_cgroup_path(const std::filesystem::path& path) {
  return path.is_absolute() && path.has_filename() &&
         path.native() == path.lexically_normal().native();
}

void read_workspaces(ConfigReader section, AgentConfig& config) {
  section.read("cgroup_roots", config.cgroup_roots);
  section.read("exclude", config.excluded_cgroups);
  for (const std::string& path : config.excluded_cgroups) {
    if (!is_cgroup_path(path)) {
      section.fail("exclude",
                   fmt::format("\"{}\" is no path from the cgroup root, as in /picket", path));
    }
  }
  section.read("runc_roots", config.runc_roots);
  section.read("containerd_roots", config.containerd_roots);
  section.finish_section();
}

// As Kubernetes and Docker take them.
bool is_label_key(const std::string& key) {
  return !key.empty() && key.size() <= kMaxLabelKey && key.find_first_of(" \t\n=") == key.npos;
}

// At least one.
void read_keys(ConfigReader& section, std::string_view name, std::vector<std::string>& keys) {
  section.read(name, keys);
  for (const std::string& key : keys) {
    if (!is_label_key(key))
      section.fail(name, fmt::format("\"{}\" is no key of a label or annotation", key));
  }
}

// KEY or KEY=VALUE of a label.
void read_selectors(ConfigReader& section, std::string_view name,
                    std::vector<std::string>& selectors) {
  section.read(name, selectors);
  for (const std::string& selector : selectors) {
    const std::string key = selector.substr(0, selector.find('='));
    if (key.empty() || key.size() > kMaxLabelKey || key.find_first_of(" \t\n") != key.npos)
      section.fail(name, fmt::format("\"{}\" selects nothing; KEY or KEY=VALUE of a label or "
                                     "annotation expected",
                                     selector));
  }
}

void read_labels(ConfigReader& reader, std::map<std::string, std::string>& labels) {
  reader.read("labels", labels);
  for (const auto& [key, value] : labels)
    if (!is_label_key(key) || value.empty())
      reader.fail("labels", fmt::format("\"{}\" is no label; KEY: VALUE expected", key));
}

void read_identity(ConfigReader section, AgentConfig& config) {
  section.read("cri_socket", config.cri_socket);
  const bool usual = config.cri_socket.empty() || config.cri_socket == "none";
  if (!usual && !std::filesystem::path(config.cri_socket).is_absolute()) {
    section.fail("cri_socket", fmt::format("\"{}\" is no absolute path of a socket, nor \"none\"",
                                           config.cri_socket));
  }
  section.read("cri_timeout_ms", config.cri_timeout_ms, 10, 3000);
  section.read("docker_root", config.docker_root);
  section.read("storage_roots", config.storage_roots);
  read_keys(section, "owner", config.ownership.owner);
  read_keys(section, "template", config.ownership.template_name);
  read_keys(section, "repository", config.ownership.repository);
  read_keys(section, "pull_request", config.ownership.pull_request);
  read_selectors(section, "restricted", config.ownership.restricted);
  section.finish_section();
}

void read_respond(ConfigReader section, AgentConfig& config) {
  section.read("enabled", config.respond);
  section.read("dry_run", config.dry_run);
  section.read("max_per_minute", config.max_actions_per_minute, 1, 100000);
  section.finish_section();
}

void read_log(ConfigReader section, AgentConfig& config) {
  std::string format = "text";
  section.read("level", config.log_level);
  section.read("format", format);
  if (format != "text" && format != "json") section.fail("format", "expected text or json");
  config.log_format = format == "json" ? LogFormat::json : LogFormat::text;
  section.finish_section();
}

}  // namespace

absl::StatusOr<AgentConfig> load_config(const std::filesystem::path& file, bool standalone) {
  auto reader = ConfigReader::open_with_drop_ins(file);
  if (!reader.ok()) return reader.status();
  AgentConfig config;
  reader->read("state_dir", config.state_dir);
  reader->read("rules", config.rules);
  reader->read("rules_key", config.rules_key);
  read_labels(*reader, config.labels);
  reader->read("kubernetes_audit", config.kubernetes_audit);
  reader->read("http", config.http);
  reader->read("spool_bytes", config.spool_bytes, 1 << 20, 1ULL << 40);
  reader->read("spool_power_safe", config.spool_power_safe);
  read_collector(reader->section("collector"), config.collector, !standalone);
  read_sensor(reader->section("sensor"), config);
  read_workspaces(reader->section("workspaces"), config);
  read_identity(reader->section("identity"), config);
  read_respond(reader->section("respond"), config);
  read_log(reader->section("log"), config);
  if (absl::Status status = reader->finish(); !status.ok()) return status;
  return config;
}

}  // namespace picket
