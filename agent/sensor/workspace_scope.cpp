#include "agent/sensor/workspace_scope.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bpf/picket/container_name.h"
#include "bpf/picket/events.h"
#include "bpf/picket/policy.h"

namespace picket {
namespace {

bool has_container_name(const std::string& name) {
  if (name.size() >= PK_CONTAINER_NAME_ROOM) return false;
  char room[PK_CONTAINER_NAME_ROOM] = {};
  name.copy(room, sizeof(room) - 1);
  return pk_is_container_name(room, static_cast<unsigned>(name.size()));
}

Record cgroup_record(const CgroupDirectory& found, uint64_t workspace, uint64_t now_ns) {
  const size_t length = std::min<size_t>(found.path.size(), PK_PATH_MAX);
  pk_cgroup record{};
  record.header.size = static_cast<uint32_t>(sizeof(record) + length);
  record.header.type = PK_CGROUP_MKDIR;
  record.header.abi = PK_ABI;
  record.header.time_ns = now_ns;
  record.header.cgroup_id = workspace;
  record.id = found.id;
  record.parent_id = found.parent_id;
  record.level = found.level;
  record.path = {.offset = sizeof(record), .length = static_cast<uint16_t>(length)};
  Record bytes(record.header.size);
  std::memcpy(bytes.data(), &record, sizeof(record));
  std::memcpy(bytes.data() + sizeof(record), found.path.data(), length);
  return bytes;
}

template <class Key>
std::vector<Key> keys_of(int map, size_t limit) {
  std::vector<Key> keys;
  Key next{};
  while (keys.size() < limit &&
         bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next) == 0)
    keys.push_back(next);
  return keys;
}

}  // namespace

absl::Status WorkspaceScope::add_root(const std::string& path) {
  absl::StatusOr<uint64_t> id = tree_.id(path);
  if (!id.ok()) return id.status();
  const uint8_t yes = 1;
  if (bpf_map_update_elem(maps_.roots, &*id, &yes, BPF_ANY))
    return absl::ResourceExhaustedError(
        fmt::format("cannot take {} as a cgroup root: {}", path, strerror(errno)));
  return absl::OkStatus();
}

absl::Status WorkspaceScope::exclude(const std::string& path) {
  absl::StatusOr<uint64_t> id = tree_.id(path);
  if (!id.ok()) return id.status();
  const pk_cgroup_scope left_out{};
  if (bpf_map_update_elem(maps_.cgroups, &*id, &left_out, BPF_ANY))
    return absl::ResourceExhaustedError(
        fmt::format("cannot leave out cgroup {}: {}", path, strerror(errno)));
  return absl::OkStatus();
}

void WorkspaceScope::exclude_holder_of(uint32_t pid) {
  const std::string holder = tree_.holder_of(pid);
  if (!holder.empty()) (void)exclude(holder);
}

// The same decision as on_cgroup_mkdir. True when this call made the entry, for a workspace.
bool WorkspaceScope::enter(const CgroupDirectory& found) {
  pk_cgroup_scope scope{};
  uint8_t yes = 0;
  if (pk_cgroup_scope above{}; bpf_map_lookup_elem(maps_.cgroups, &found.parent_id, &above) == 0) {
    // The agent's canaries may lie below its own cgroup, which is left out: their root is no part
    // of that.
    if (above.workspace == 0 && bpf_map_lookup_elem(maps_.roots, &found.id, &yes) == 0)
      return false;
    scope.workspace = above.workspace;
  } else if (bpf_map_lookup_elem(maps_.roots, &found.parent_id, &yes) == 0 ||
             has_container_name(found.name))
    scope.workspace = found.id;
  else
    return false;
  scope.entered = tree_.populated(found.path);
  return bpf_map_update_elem(maps_.cgroups, &found.id, &scope, BPF_NOEXIST) == 0 &&
         scope.workspace != 0;
}

std::vector<Record> WorkspaceScope::scan(uint64_t now_ns) {
  std::vector<Record> records;
  tree_.walk([&](const CgroupDirectory& found) {
    if (!enter(found)) return;
    pk_cgroup_scope scope{};
    if (bpf_map_lookup_elem(maps_.cgroups, &found.id, &scope) == 0)
      records.push_back(cgroup_record(found, scope.workspace, now_ns));
  });
  return records;
}

absl::StatusOr<std::vector<Record>> WorkspaceScope::watch(uint64_t cgroup_id, uint64_t now_ns) {
  CgroupDirectory wanted;
  tree_.walk([&](const CgroupDirectory& found) {
    if (found.id == cgroup_id) wanted = found;
  });
  if (wanted.id == 0) return absl::NotFoundError(fmt::format("no cgroup has the id {}", cgroup_id));
  std::vector<Record> records;
  pk_cgroup_scope known{};
  if (bpf_map_lookup_elem(maps_.cgroups, &cgroup_id, &known) == 0 && known.workspace != 0)
    return records;  // it is watched already, by itself or as a part of another workspace
  pk_cgroup_scope scope{};
  scope.workspace = cgroup_id;
  scope.entered = tree_.populated(wanted.path);
  if (bpf_map_update_elem(maps_.cgroups, &cgroup_id, &scope, BPF_ANY))
    return absl::ResourceExhaustedError(
        fmt::format("cannot watch cgroup {}: {}", wanted.path, strerror(errno)));
  records.push_back(cgroup_record(wanted, cgroup_id, now_ns));
  for (Record& below : scan(now_ns)) records.push_back(std::move(below));
  return records;
}

// Left out from now on, not forgotten: a cgroup made below it must not become a workspace by its
// name.
void WorkspaceScope::unwatch(uint64_t cgroup_id) {
  for (const uint64_t id : keys_of<uint64_t>(maps_.cgroups, PK_CGROUPS_MAX)) {
    pk_cgroup_scope scope{};
    if (bpf_map_lookup_elem(maps_.cgroups, &id, &scope) || scope.workspace != cgroup_id) continue;
    const pk_cgroup_scope left_out{};
    bpf_map_update_elem(maps_.cgroups, &id, &left_out, BPF_EXIST);
  }
  for (const pk_process_key& key : keys_of<pk_process_key>(maps_.labels, PK_LABELS_MAX)) {
    pk_label label{};
    if (bpf_map_lookup_elem(maps_.labels, &key, &label) == 0 && label.workspace == cgroup_id)
      bpf_map_delete_elem(maps_.labels, &key);
  }
}

}  // namespace picket
