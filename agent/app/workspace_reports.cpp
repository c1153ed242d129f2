#include "agent/app/workspace_reports.h"

namespace picket {
namespace {

constexpr uint64_t kCountEvery = 10'000'000'000;

v1::WorkspaceState state_of(const WorkspaceEntry& entry) {
  if (entry.gone_ns != 0) return v1::WORKSPACE_STATE_GONE;
  return entry.workspace.frozen ? v1::WORKSPACE_STATE_FROZEN : v1::WORKSPACE_STATE_RUNNING;
}

}  // namespace

void WorkspaceReports::changed(uint64_t cgroup_id) {
  if (const auto found = told_.find(cgroup_id); found != told_.end()) found->second.again = true;
}

void WorkspaceReports::update(const WorkspaceTable& workspaces, const ProcessTable& processes,
                              uint64_t now_ns, const Publish& publish) {
  const bool count = now_ns >= next_count_ns_;
  bool change = count;
  workspaces.for_each([&](const WorkspaceEntry& entry) {
    if (!is_known(entry)) return;
    const auto found = told_.find(entry.workspace.cgroup_id);
    change |= found == told_.end() || found->second.again || found->second.state != state_of(entry);
  });
  if (!change) return;
  if (count) next_count_ns_ = now_ns + kCountEvery;

  absl::flat_hash_map<uint64_t, uint32_t> running;
  processes.for_each([&](const Process& process) {
    if (!process.exited && process.workspace_cgroup != 0) ++running[process.workspace_cgroup];
  });
  absl::flat_hash_map<uint64_t, Told> now;
  workspaces.for_each([&](const WorkspaceEntry& entry) {
    if (!is_known(entry)) return;
    const uint64_t id = entry.workspace.cgroup_id;
    const Told told{state_of(entry), running[id], false};
    const auto before = told_.find(id);
    const bool is_news = before == told_.end() || before->second.again ||
                         before->second.state != told.state ||
                         (count && before->second.processes != told.processes);
    if (is_news) publish(entry.workspace, told.state, told.processes);
    now[id] = is_news ? told : before->second;
  });
  told_ = std::move(now);  // a workspace that the table forgot was told to be gone before
}

}  // namespace picket
