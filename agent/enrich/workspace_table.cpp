#include "agent/enrich/workspace_table.h"

namespace picket {

void HeldRecords::add(std::span<const std::byte> record) {
  constexpr size_t kAlignment = 8;
  const size_t offset = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
  bytes_.resize(offset);
  bytes_.insert(bytes_.end(), record.begin(), record.end());
  extents_.push_back({static_cast<uint32_t>(offset), static_cast<uint32_t>(record.size())});
}

WorkspaceEntry* WorkspaceTable::find(uint64_t cgroup_id) const {
  const auto found = entries_.find(cgroup_id);
  return found == entries_.end() ? nullptr : found->second.get();
}

WorkspaceEntry* WorkspaceTable::open(uint64_t cgroup_id) {
  if (WorkspaceEntry* known = find(cgroup_id)) return known;
  if (entries_.size() >= max_workspaces_ && !close_oldest_gone()) return nullptr;
  auto entry = std::make_unique<WorkspaceEntry>();
  entry->workspace.cgroup_id = cgroup_id;
  return entries_.emplace(cgroup_id, std::move(entry)).first->second.get();
}

void WorkspaceTable::close(uint64_t cgroup_id) {
  const WorkspaceEntry* entry = find(cgroup_id);
  if (entry == nullptr) return;
  if (entry->children > 0) {
    absl::erase_if(workspace_by_child_, [&](const auto& pair) { return pair.second == cgroup_id; });
  }
  entries_.erase(cgroup_id);
}

bool WorkspaceTable::add_child(uint64_t cgroup_id, uint64_t workspace) {
  WorkspaceEntry* entry = find(workspace);
  if (entry == nullptr || workspace_by_child_.size() >= max_children_) return false;
  if (workspace_by_child_.emplace(cgroup_id, workspace).second) ++entry->children;
  return true;
}

void WorkspaceTable::remove_child(uint64_t cgroup_id) {
  const auto found = workspace_by_child_.find(cgroup_id);
  if (found == workspace_by_child_.end()) return;
  if (WorkspaceEntry* entry = find(found->second)) --entry->children;
  workspace_by_child_.erase(found);
}

WorkspaceEntry* WorkspaceTable::workspace_of(uint64_t cgroup_id) const {
  if (WorkspaceEntry* entry = find(cgroup_id)) return entry;
  const auto child = workspace_by_child_.find(cgroup_id);
  return child == workspace_by_child_.end() ? nullptr : find(child->second);
}

void WorkspaceTable::close_gone_before(uint64_t ns) {
  std::vector<uint64_t> gone;
  for (const auto& [id, entry] : entries_) {
    const bool waits = entry->state == WorkspaceEntry::State::pending;
    if (entry->gone_ns != 0 && entry->gone_ns < ns && !waits) gone.push_back(id);
  }
  for (const uint64_t id : gone) close(id);
}

bool WorkspaceTable::close_oldest_gone() {
  const WorkspaceEntry* oldest = nullptr;
  for (const auto& [id, entry] : entries_) {
    if (entry->gone_ns == 0 || entry->state == WorkspaceEntry::State::pending) continue;
    if (oldest == nullptr || entry->gone_ns < oldest->gone_ns) oldest = entry.get();
  }
  if (oldest == nullptr) return false;
  close(oldest->workspace.cgroup_id);
  return true;
}

}  // namespace picket
