#include "agent/enrich/driver_labels.h"

#include <vector>

#include "agent/enrich/command_line.h"

namespace picket {
namespace {

// Between a fork and the time in its record; more than two clocks of one machine differ by.
constexpr uint64_t kSlackNs = 10'000'000;

constexpr uint8_t kEnvironmentsRead = 2;  // of the children of one program

ProcessNode* parent_inside(const ProcessNode& process) {
  ProcessNode* parent = process.parent_node();
  return parent && parent->workspace_cgroup == process.workspace_cgroup ? parent : nullptr;
}

}  // namespace

// The kernel gave the child what it had of the parent then. That was older if the parent's label
// was written later than this fork.
void DriverLabels::on_fork(ProcessNode& child, uint64_t time_ns) {
  const ProcessNode* parent = parent_inside(child);
  child.rootless = parent == nullptr;
  if (child.rootless || child.blank) return;
  if (parent->driver_told_ns + kSlackNs > time_ns && child.driver != Driver{}) tell(child);
}

void DriverLabels::on_exec(ProcessNode& process, bool found, bool first) {
  const Driver before = process.driver;
  process.environments = 0;
  if (first) begin(process, found);
  decide(process, before);
  ask_script(process);
  if (first && found) derive_below(process, Children::rootless);
  if (!found) ask_environment(process);
}

// No fork of it was told. Of a process that was born while the kernel's programs ran, the kernel
// has the label; whoever was found has that of its parent, if it still lives below the one that
// made it.
void DriverLabels::begin(ProcessNode& process, bool found) {
  if (!found && live_ != nullptr) {
    if (const auto kept = live_->read(process.key); kept && kept->driver != PK_BY_UNKNOWN) {
      process.driver = origins_->from_kernel(*kept);
      return;
    }
  }
  const ProcessNode* parent = parent_inside(process);
  process.rootless = parent == nullptr;
  process.driver = parent ? parent->driver : Driver{};
  if (found && live_ != nullptr && process.driver.agent.empty())
    process.driver = origins_->found_with(process, live_->environment(process.key));
}

void DriverLabels::decide(ProcessNode& process, const Driver& before) {
  process.driver = origins_->after_exec(process, process.rootless);
  if (process.driver != before) tell(process);
}

// An agent's script under a name that nobody knows. What tools run is much, and is not asked.
void DriverLabels::ask_script(ProcessNode& process) {
  if (live_ == nullptr || !origins_->know_contents() || !process.driver.agent.empty() ||
      process.driver.origin == Origin::build || process.driver.origin == Origin::package_manager ||
      !is_interpreter(process) || is_shell(process))
    return;
  const Driver before = process.driver;
  process.driver = origins_->running(process, live_->script(process));
  if (process.driver != before) tell(process);
}

// An agent under a name that nobody knows gives itself away by what it puts into the environment of
// what it starts: whoever put it there is the agent. Tools' children are many and are not asked.
void DriverLabels::ask_environment(const ProcessNode& process) {
  ProcessNode* starter = parent_inside(process);
  if (live_ == nullptr || starter == nullptr || !origins_->know_environments() ||
      !process.driver.agent.empty() || process.driver.origin == Origin::build ||
      process.driver.origin == Origin::package_manager ||
      starter->environments >= kEnvironmentsRead)
    return;
  const std::string environment = live_->environment(process.key);
  if (environment.empty()) return;  // it has ended
  ++starter->environments;
  if (origins_->found_with(process, environment).agent.empty()) return;
  while (ProcessNode* above = parent_inside(*starter)) {
    if (origins_->found_with(*starter, live_->environment(starter->key)).agent.empty()) break;
    starter = above;
  }
  starter->driver = origins_->found_with(*starter, environment);
  tell(*starter);
  derive_below(*starter, Children::all);
}

// What was told of its descendants before it was known who drives it.
void DriverLabels::derive_below(ProcessNode& process, Children children) {
  std::vector<ProcessNode*> parents{&process};
  while (!parents.empty()) {
    ProcessNode& parent = *parents.back();
    parents.pop_back();
    for (ProcessNode& child : parent.children) {
      const bool direct = &parent == &process;
      if (child.blank || (direct && children == Children::rootless && !child.rootless)) continue;
      derive(child);
      parents.push_back(&child);
    }
  }
}

void DriverLabels::derive(ProcessNode& process) {
  const Driver before = process.driver;
  begin(process, true);
  decide(process, before);
}

void DriverLabels::tell(ProcessNode& process) {
  if (live_ == nullptr) return;
  process.driver_told_ns = live_->write(process.key, to_kernel(process.driver));
}

}  // namespace picket
