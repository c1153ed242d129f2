// The watched workspaces by cgroup id, the cgroups below each, and the records that wait until it
// is known who a workspace is. Owner: the pipeline thread. Errors: open() refuses when the table is
// full of living workspaces; the caller counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/namespaces.h"
#include "agent/enrich/workspace.h"

namespace picket {

// Raw records, copied one behind the other.
class HeldRecords {
 public:
  void add(std::span<const std::byte> record);
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Extent& extent : extents_)
      visit(std::span(bytes_).subspan(extent.offset, extent.size));
  }
  size_t count() const { return extents_.size(); }
  size_t size_bytes() const { return bytes_.size() + extents_.size() * sizeof(Extent); }

 private:
  struct Extent {
    uint32_t offset;
    uint32_t size;
  };
  std::vector<std::byte> bytes_;  // each record starts at a multiple of 8
  std::vector<Extent> extents_;
};

struct WorkspaceEntry {
  enum class State {
    fresh,       // seen, but no process entered it yet
    pending,     // its identity was asked for
    identified,  // resolved
    unresolved,  // asking failed; `workspace` has what the path says
    excluded     // pause container, or configured: its events are dropped
  };
  State state = State::fresh;
  Workspace workspace;
  Namespaces namespaces;
  HeldRecords held;  // fresh and pending only
  uint64_t deadline_ns =
      0;                 // pending: give up at; unresolved, incomplete: ask again at. Event time
  uint64_t gone_ns = 0;  // when its cgroup was removed; 0: it exists
  size_t children = 0;   // cgroups below it that the table knows
  bool made = false;     // its cgroup was made while the agent watched
  bool started = false;  // its first program was told
};

// It has an id, is told to the collector and may be acted on.
inline bool is_known(const WorkspaceEntry& entry) {
  return entry.state == WorkspaceEntry::State::identified ||
         entry.state == WorkspaceEntry::State::unresolved;
}

class WorkspaceTable {
 public:
  explicit WorkspaceTable(size_t max_workspaces, size_t max_children = 64 * 1024)
      : max_workspaces_(max_workspaces), max_children_(max_children) {}

  WorkspaceEntry* find(uint64_t cgroup_id) const;
  // nullptr: full.
  WorkspaceEntry* open(uint64_t cgroup_id);
  void close(uint64_t cgroup_id);

  // false: too many cgroups; the child is not remembered.
  bool add_child(uint64_t cgroup_id, uint64_t workspace);
  void remove_child(uint64_t cgroup_id);
  // Of the workspace's own cgroup or one below it; nullptr: none of ours.
  WorkspaceEntry* workspace_of(uint64_t cgroup_id) const;

  // Forgets the workspaces that were gone before `ns`.
  void close_gone_before(uint64_t ns);

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [id, entry] : entries_) visit(*entry);
  }
  size_t size() const { return entries_.size(); }

 private:
  bool close_oldest_gone();

  size_t max_workspaces_;
  size_t max_children_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<WorkspaceEntry>> entries_;
  absl::flat_hash_map<uint64_t, uint64_t> workspace_by_child_;
};

}  // namespace picket
