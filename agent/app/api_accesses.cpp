#include "agent/app/api_accesses.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

#include "agent/app/families.h"
#include "agent/detect/rule/finding_of.h"
#include "agent/enrich/lineage.h"

namespace picket {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Between the API server's clock and the node's, and from the request to the exec.
constexpr uint64_t kApart = 10 * kSecond;
constexpr uint64_t kPatience = 5 * kSecond;  // records wait for a workspace's identity as long
constexpr size_t kRemembered = 256;
constexpr size_t kTreeShown = 16;

struct Kind {
  std::string_view verb, rule, words;
};
constexpr std::array kKinds{
    Kind{"exec", "picket.api_exec", "ran a command in"},
    Kind{"attach", "picket.api_attach", "attached to"},
    Kind{"portforward", "picket.api_port_forward", "forwarded a port of"},
};

const Kind& kind_of(const ApiAccess& access) {
  const auto* found = std::ranges::find(kKinds, access.verb, &Kind::verb);
  return found == kKinds.end() ? kKinds.front() : *found;
}

uint64_t apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

std::string argv_of(const std::vector<std::string>& command) {
  std::string argv;
  for (const std::string& word : command) argv += word + '\0';
  return argv;
}

bool is_asked_for(const Workspace& workspace, const ApiAccess& access) {
  return workspace.pod.name == access.pod && workspace.pod.ns == access.ns &&
         (access.container.empty() || access.container == workspace.name);
}

// nullptr: there is none, or not yet.
const Workspace* workspace_of(const ApiAccess& access, const WorkspaceTable& workspaces) {
  const Workspace* found = nullptr;
  workspaces.for_each([&](const WorkspaceEntry& entry) {
    if (is_known(entry) && is_asked_for(entry.workspace, access)) found = &entry.workspace;
  });
  return found;
}

// Its first process, once it runs what the workspace is for.
const Process* first_of(const Workspace* workspace, const ProcessTable& processes) {
  if (workspace == nullptr) return nullptr;
  const Process* first = processes.find_pid(workspace->init_pid);
  return first == nullptr || first->argv.empty() ? nullptr : first;
}

template <class T>
void bound(std::deque<T>& list) {
  while (list.size() > kRemembered) list.pop_front();
}

Finding finding_of(const ApiAccess& access, const Timeline& timeline) {
  const Kind& kind = kind_of(access);
  Finding finding;
  finding.rule = kind.rule;
  finding.priority = Priority::informational;
  finding.event_type = "none";
  finding.why = "The API's own record of who this was: the process alone shows only the runtime.";
  finding.tags = {"picket", "kubernetes"};
  if (access.verb != "portforward")
    finding.tags.insert(finding.tags.begin(), {"T1609", "mitre_execution"});
  finding.time_ns = finding.first_ns = finding.last_ns = timeline.boot_ns(access.wall_ns);
  finding.merge_id = fmt::format("api|{}", access.audit_id);
  finding.output = fmt::format("{} {} {}/{}", access.user, kind.words, access.ns, access.pod);
  if (!access.command.empty())
    finding.output += fmt::format(": {}", fmt::join(access.command, " "));
  finding.fields = {{"api.user", access.user},
                    {"api.groups", fmt::format("{}", fmt::join(access.groups, ","))},
                    {"api.verb", access.verb},
                    {"api.source", access.source},
                    {"api.client", access.client},
                    {"api.command", fmt::format("{}", fmt::join(access.command, " "))},
                    {"api.audit_id", access.audit_id}};
  return finding;
}

// The process and what hangs below it: "10 sh -c make; 11 make".
std::string tree_of(const ProcessKey& process, uint64_t cgroup_id, const ProcessTable& processes) {
  Target target;
  target.cgroup_id = cgroup_id;
  target.process = process;
  std::vector<std::string> lines;
  for (const ProcessKey& key : family_of(target, processes).descendants) {
    const Process* one = processes.find(key);
    if (one != nullptr && lines.size() < kTreeShown)
      lines.push_back(fmt::format("{} {}", one->key.pid, one->cmdline()));
  }
  return fmt::format("{}", fmt::join(lines, "; "));
}

}  // namespace

void ApiAccesses::add(ApiAccess access, uint64_t now_ns) {
  if (std::ranges::find(told_, access.audit_id) != told_.end()) return;
  told_.push_back(access.audit_id);
  bound(told_);
  std::string argv = argv_of(access.command);
  waiting_.push_back({std::move(access), std::move(argv), now_ns + kPatience});
  bound(waiting_);
}

// Of several with this command the one that the kernel saw come from outside, else the one nearest
// to the workspace's root; then the nearest in time.
const Process* ApiAccesses::find(const Waiting& waiting, const WorkspaceTable& workspaces,
                                 const ProcessTable& processes, uint64_t asked_ns) const {
  const Process* best = nullptr;
  std::tuple<bool, size_t, uint64_t> best_rank;
  processes.for_each([&](const Process& process) {
    if (std::string_view(process.argv) != waiting.argv) return;
    // A runtime may put a program in that runs already.
    const uint64_t since_ns =
        process.exec_time_ns != 0 ? process.exec_time_ns : process.key.start_ns;
    const uint64_t distance = apart(since_ns, asked_ns);
    if (distance > kApart || std::ranges::find(joined_, process.key) != joined_.end()) return;
    const WorkspaceEntry* entry = workspaces.find(process.workspace_cgroup);
    if (entry == nullptr || !is_asked_for(entry->workspace, waiting.access)) return;
    const Lineage above = lineage(process);
    const auto depth = static_cast<size_t>(std::distance(above.begin(), above.end()));
    const std::tuple rank{!process.exec_in, depth, distance};
    if (best != nullptr && best_rank <= rank) return;
    best = &process;
    best_rank = rank;
  });
  return best;
}

// false: its process may still come.
bool ApiAccesses::tell_one(const Waiting& waiting, const WorkspaceTable& workspaces,
                           const ProcessTable& processes, const Timeline& timeline, uint64_t now_ns,
                           const Tell& tell) {
  Finding finding = finding_of(waiting.access, timeline);
  const bool is_exec = waiting.access.verb == "exec";
  const Workspace* workspace = workspace_of(waiting.access, workspaces);
  const Process* process = is_exec ? find(waiting, workspaces, processes, finding.time_ns)
                                   : first_of(workspace, processes);
  if (process == nullptr && now_ns < waiting.until_ns) return false;
  if (process != nullptr && is_exec) {
    joined_.push_back(process->key);
    bound(joined_);
    finding.workspace = workspaces.find(process->workspace_cgroup)->workspace;
    finding.process = summary(*process);
    finding.fields.emplace_back("process.tree",
                                tree_of(process->key, process->workspace_cgroup, processes));
    tell(std::move(finding));
    return true;
  }
  if (workspace == nullptr) return true;  // a pod of another node is another agent's
  finding.workspace = *workspace;
  if (process != nullptr) finding.process = summary(*process);
  if (is_exec) finding.output += "; no such process was seen";
  tell(std::move(finding));
  return true;
}

void ApiAccesses::tell(const WorkspaceTable& workspaces, const ProcessTable& processes,
                       const Timeline& timeline, uint64_t now_ns, const Tell& tell) {
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    return tell_one(waiting, workspaces, processes, timeline, now_ns, tell);
  });
}

}  // namespace picket
