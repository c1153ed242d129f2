#include "agent/enrich/origins.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "agent/enrich/command_line.h"

namespace picket {
namespace {

bool is_plain(std::string_view text) { return text.find_first_of("*?[\\") == text.npos; }

// Whoever opens a terminal makes the shell the leader of the terminal's session.
bool is_at_terminal(const Process& process) {
  return process.has_tty && process.session == process.key.pid && process.fd[0].kind == PK_FD_TTY &&
         !process.argv.empty() && is_shell(process) && waits_for_input(process.argv);
}

Driver below_nobody(const Process& process, const Driver& driver) {
  Driver next = driver;
  next.terminals = false;
  if (process.exec_in)
    next.origin = process.has_tty ? Origin::human : Origin::platform;
  else
    next.origin = is_at_terminal(process) ? Origin::human : Origin::service;
  return next;
}

// What an AI agent wrote and had run by somebody else: a service (cron), or git (a hook). What a
// person starts is the person's, whoever wrote it.
bool is_run_for_another(const Process& process, const Driver& driver) {
  if (process.source == nullptr || process.source->driver.agent.empty()) return false;
  const bool by_service = driver.origin == Origin::service || driver.origin == Origin::unknown;
  return by_service || (process.parent != nullptr && last_component(process.parent->exe) == "git");
}

Driver driven_by(const OriginDefinition& definition, const Process& process, const Driver& driver) {
  Driver next = driver;
  const bool agent = definition.origin == Origin::ai_agent;
  const bool tool =
      definition.origin == Origin::build || definition.origin == Origin::package_manager;
  // What an agent starts stays the agent's, another agent too.
  if (!driver.agent.empty() && !tool) return driver;
  next.origin = definition.origin;
  next.terminals = definition.terminals;
  if (!agent) return next;
  next.agent = definition.name;
  next.agent_session = process.key;
  return next;
}

}  // namespace

Origins::Origins(std::vector<OriginDefinition> definitions) : definitions_(std::move(definitions)) {
  // An agent that is also something else counts as an agent.
  std::stable_partition(
      definitions_.begin(), definitions_.end(),
      [](const OriginDefinition& definition) { return definition.origin == Origin::ai_agent; });
  for (const OriginDefinition& definition : definitions_) {
    for (const std::string& glob : definition.programs) add(programs_, glob, definition);
    for (const std::string& glob : definition.scripts) add(scripts_, glob, definition);
    for (const std::string& name : definition.modules) modules_.try_emplace(name, &definition);
    for (const std::string& name : definition.environment)
      variables_.try_emplace(name, &definition);
    for (const std::string& text : definition.contents) contents_.try_emplace(text, &definition);
    know_packages_ |= !definition.packages.empty();
  }
}

void Origins::add(Patterns& patterns, const std::string& glob, const OriginDefinition& definition) {
  const std::string_view name = last_component(glob);
  patterns[is_plain(name) ? std::string(name) : std::string()].push_back({glob, &definition});
}

const OriginDefinition* Origins::find(const Patterns& patterns, std::string_view path) {
  const std::string text(path);
  for (const std::string_view key : {last_component(path), std::string_view()}) {
    const auto found = patterns.find(key);
    if (found == patterns.end()) continue;
    for (const Pattern& pattern : found->second)
      if (fnmatch(pattern.glob.c_str(), text.c_str(), 0) == 0) return pattern.definition;
  }
  return nullptr;
}

const OriginDefinition* Origins::definition_of(const Process& process) const {
  if (process.exe.empty()) return nullptr;
  if (const OriginDefinition* known = find(programs_, process.exe)) return known;
  return is_interpreter(process) ? script_of(process) : nullptr;
}

const OriginDefinition* Origins::script_of(const Process& process) const {
  const OriginDefinition* known = nullptr;
  find_script(process, [&](const std::string& path) {
    known = find(scripts_, path);
    return known != nullptr;
  });
  return known != nullptr ? known : module_of(process);
}

// python -m NAME
const OriginDefinition* Origins::module_of(const Process& process) const {
  Arguments arguments(process.argv);
  for (size_t i = 0; i < kArgumentsSeen && arguments.more(); ++i) {
    if (!names_module(arguments.next())) continue;
    const auto module = modules_.find(arguments.next());
    return module == modules_.end() ? nullptr : module->second;
  }
  return nullptr;
}

Driver Origins::after_exec(const Process& process, bool enters) const {
  const Driver& before = process.driver;
  if (const OriginDefinition* known = definition_of(process))
    return driven_by(*known, process, before);
  if (!before.agent.empty()) return before;
  if (is_run_for_another(process, before)) return process.source->driver;
  if (enters) return below_nobody(process, before);
  if (!before.terminals || !is_at_terminal(process)) return before;
  Driver person = before;
  person.origin = Origin::human;
  person.terminals = false;
  return person;
}

PackagePtr Origins::package_of(const Process& process) const {
  const Process* manager = process.parent;
  if (process.package != nullptr || !know_packages_ || manager == nullptr) return process.package;
  if (manager->tool != Origin::package_manager && manager->tool != Origin::build) return nullptr;
  const OriginDefinition* known = definition_of(*manager);
  if (known == nullptr) return nullptr;
  for (const PackageMark& mark : known->packages) {
    const auto name = mark.name_of(process, *manager);
    if (!name.has_value()) continue;
    return std::make_shared<const Package>(
        Package{known->name, *name, manager->cwd, process.cwd, process.key});
  }
  return nullptr;
}

Origin Origins::tool_of(const Process& process) const {
  const OriginDefinition* known = definition_of(process);
  return known != nullptr ? known->origin : Origin::unknown;
}

Driver Origins::found_with(const Process& process, std::string_view environment) const {
  Driver driver = process.driver;
  while (!environment.empty() && !variables_.empty()) {
    const size_t end = std::min(environment.find('\0'), environment.size());
    const std::string_view name = environment.substr(0, end).substr(0, environment.find('='));
    environment.remove_prefix(std::min(end + 1, environment.size()));
    const auto known = variables_.find(name);
    if (known == variables_.end()) continue;
    driver = driven_by(*known->second, process, driver);
    break;
  }
  return driver;
}

Driver Origins::running(const Process& process, std::string_view script) const {
  for (const auto& [text, definition] : contents_)
    if (script.find(text) != script.npos) return driven_by(*definition, process, process.driver);
  return process.driver;
}

Driver Origins::from_kernel(const pk_lineage& lineage) const {
  Driver driver;
  if (lineage.driver < PK_DRIVER_END) driver.origin = static_cast<Origin>(lineage.driver);
  driver.terminals = lineage.terminals != 0;
  if (lineage.agent == 0) return driver;
  driver.agent = "unknown";
  for (const OriginDefinition& definition : definitions_)
    if (definition.origin == Origin::ai_agent && agent_hash(definition.name) == lineage.agent)
      driver.agent = definition.name;
  driver.agent_session = {lineage.agent_pid, lineage.agent_start_ns};
  return driver;
}

}  // namespace picket
