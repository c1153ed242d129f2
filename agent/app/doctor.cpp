#include "agent/app/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/app/rules.h"
#include "agent/enrich/runtime_api.h"
#include "agent/sensor/cgroup_tree.h"
#include "common/alert_json.h"
#include "common/tls_files.h"

namespace picket {
namespace {

using State = NodeCheck::State;

NodeCheck of_status(std::string subject, const absl::Status& status, std::string words) {
  if (status.ok()) return {std::move(subject), State::ok, std::move(words)};
  return {std::move(subject), State::failed, std::string(status.message())};
}

NodeCheck check_kernel() {
  const std::string release = kernel_release();
  if (is_tested_kernel(release)) return {"kernel", State::ok, fmt::format("{}, tested", release)};
  return {"kernel", State::limited,
          fmt::format("{} is of a series that the tests of Picket do not run on: its hooks are "
                      "tried one by one",
                      release)};
}

// Those without which the agent runs, and what it then cannot do.
std::vector<NodeCheck> check_capabilities(const Machine& machine) {
  struct Optional {
    int capability;
    const char* effect;
  };
  constexpr std::array<Optional, 3> kOptional{
      {{CAP_SYS_PTRACE,
        "CAP_SYS_PTRACE is missing: less is known of other users' processes that run already"},
       {CAP_DAC_READ_SEARCH,
        "CAP_DAC_READ_SEARCH is missing: files of other users, as the runtimes', may be closed"},
       {CAP_KILL, "CAP_KILL is missing: processes of other users cannot be killed"}}};
  std::vector<NodeCheck> checks;
  const auto effective = effective_capabilities(machine);
  if (!effective.ok()) return {of_status("capabilities", effective.status(), "")};
  for (const Optional& next : kOptional)
    if ((*effective >> next.capability & 1) == 0)
      checks.push_back({"capabilities", State::limited, next.effect});
  return checks;
}

NodeCheck check_cgroups(const Machine& machine) {
  const auto mounts = read_text(machine.proc / "self/mounts");
  if (!mounts.ok()) return of_status("cgroups", mounts.status(), "");
  const auto tree = CgroupTree::find(*mounts);
  if (!tree.ok()) return of_status("cgroups", tree.status(), "");
  const std::string mount = tree->mount().string();
  if (access(mount.c_str(), W_OK) != 0)
    return {"cgroups", State::limited,
            fmt::format("{} cannot be written: no workspace can be frozen or killed, and no canary "
                        "proves that the agent sees",
                        mount)};
  return {"cgroups", State::ok, fmt::format("cgroup v2 at {}", mount)};
}

NodeCheck check_rules(const AgentConfig& config) {
  const auto rules = read_rules(config.rules);
  if (!rules.ok()) return of_status("rules", rules.status(), "");
  const auto on = std::ranges::count_if(rules->set->rules(), &RuleInfo::enabled);
  return {"rules", State::ok, fmt::format("{} in force, of {} files", on, rules->files.size())};
}

// The folder that is there or the nearest one above it.
std::filesystem::path standing(std::filesystem::path folder) {
  std::error_code error;
  while (folder.has_relative_path() && !std::filesystem::exists(folder, error))
    folder = folder.parent_path();
  return folder;
}

NodeCheck check_state(const AgentConfig& config) {
  const std::filesystem::path folder = standing(config.state_dir);
  if (access(folder.c_str(), W_OK) != 0)
    return {"state", State::failed,
            fmt::format("{} cannot be written: the spool needs it", folder.string())};
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0)
    return {"state", State::limited, fmt::format("{} tells no free space", folder.string())};
  const uint64_t free_mib = disk.f_bavail * disk.f_frsize >> 20;
  const uint64_t spool_mib = config.spool_bytes >> 20;
  if (free_mib < spool_mib)
    return {"state", State::limited,
            fmt::format("{} has {} MiB free and the spool may take {}: alerts of a long time "
                        "without the collector would be lost; make room or lower spool_bytes",
                        config.state_dir.string(), free_mib, spool_mib)};
  return {"state", State::ok,
          fmt::format("{}, {} MiB free, {} for the spool", config.state_dir.string(), free_mib,
                      spool_mib)};
}

NodeCheck check_runtimes(const AgentConfig& config) {
  std::vector<std::filesystem::path> places;
  if (config.cri_socket.empty()) {
    for (const std::string& socket : RuntimeApiOptions().sockets) places.emplace_back(socket);
  } else if (config.cri_socket != "none") {
    places.emplace_back(config.cri_socket);
  }
  for (const auto* roots : {&config.containerd_roots, &config.runc_roots, &config.storage_roots})
    places.insert(places.end(), roots->begin(), roots->end());
  places.push_back(config.docker_root);
  std::vector<std::string> found;
  std::error_code error;
  for (const std::filesystem::path& place : places)
    if (std::filesystem::exists(place, error)) found.push_back(place.string());
  if (!found.empty())
    return {"runtimes", State::ok,
            fmt::format("asked who a container is: {}", fmt::join(found, ", "))};
  return {"runtimes", State::limited,
          "no container runtime has its files here: a container is known by its cgroup only, "
          "without name, image or owner; workspaces.runc_roots and identity.cri_socket say where "
          "else to look"};
}

NodeCheck check_responses(const AgentConfig& config) {
  if (!config.respond)
    return {"responses", State::limited,
            "switched off for rules (respond.enabled): only operators kill or freeze here"};
  if (config.dry_run)
    return {"responses", State::limited,
            "dry run (respond.dry_run): what rules would kill or freeze is told and left alone"};
  return {"responses", State::ok,
          fmt::format("at most {} a minute", config.max_actions_per_minute)};
}

Machine this_machine() { return {}; }

std::string line_of(const NodeCheck& check) {
  return json_line({{"check", check.subject},
                    {"state", state_word(check.state)},
                    {"words", check.words}}) +
         '\n';
}

}  // namespace

std::vector<NodeCheck> check_node(const AgentConfig& config, const Machine& machine, bool whole) {
  std::vector<NodeCheck> checks{check_kernel()};
  checks.push_back(of_status("sensor", check_requirements(machine),
                             "type information, capabilities and pid namespace are what it needs"));
  std::ranges::move(check_capabilities(machine), std::back_inserter(checks));
  checks.push_back(check_cgroups(machine));
  checks.push_back(check_rules(config));
  checks.push_back(check_runtimes(config));
  checks.push_back(check_responses(config));
  if (!whole) return checks;
  checks.push_back(check_state(config));
  const TlsFiles files{config.collector.ca, config.collector.cert, config.collector.key};
  checks.push_back(of_status("certificates", check_files(files),
                             fmt::format("fit together and are valid now; the collector is {}",
                                         config.collector.address)));
  return checks;
}

std::vector<NodeCheck> check_coverage(const MeasuredCoverage& measured) {
  std::vector<NodeCheck> checks;
  for (const std::string& missing : measured.check.missing)
    checks.push_back({"self check", State::failed, missing});
  if (checks.empty())
    checks.push_back({"self check", State::ok,
                      fmt::format("every core event came back (tier {})", measured.coverage.tier)});
  // One sentence for all hooks that are missing for the same reason with the same effect.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> missing;
  for (const CoverageLine& line : measured.coverage.lines)
    if (line.state == CoverageLine::State::refused || line.state == CoverageLine::State::off)
      missing[{line.effect, line.reason}].push_back(line.hook);
  for (const auto& [why, hooks] : missing)
    checks.push_back({"kernel hooks", State::limited,
                      fmt::format("{} ({}: {})", why.first, fmt::join(hooks, ", "), why.second)});
  for (const RuleGap& gap : measured.gaps)
    checks.push_back({"rules here", State::limited, words(gap)});
  std::vector<std::string> unknown;
  for (const SystemCall& call : measured.calls)
    if (call.state == SystemCall::State::unknown) unknown.push_back(call.name);
  if (!unknown.empty())
    checks.push_back(
        {"system calls", State::limited,
         fmt::format("newer than this build and not looked at: {}", fmt::join(unknown, ", "))});
  return checks;
}

std::string doctor_report(const std::filesystem::path& config_file) {
  auto config = load_config(config_file, false);
  const bool whole = config.ok();
  std::vector<NodeCheck> checks{of_status("configuration", config.status(),
                                          fmt::format("{} is right", config_file.string()))};
  if (!whole) {  // what the rest says is then of the usual settings
    config = AgentConfig();
    config->rules = {usual_rules()};
  }
  std::ranges::move(check_node(*config, this_machine(), whole), std::back_inserter(checks));
  const auto measured = measure_coverage(*config);
  if (measured.ok()) {
    std::ranges::move(check_coverage(*measured), std::back_inserter(checks));
  } else {
    checks.push_back({"self check", State::failed, std::string(measured.status().message())});
  }
  std::string report;
  for (const NodeCheck& check : checks) report += line_of(check);
  return report;
}

}  // namespace picket
