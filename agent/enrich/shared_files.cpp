#include "agent/enrich/shared_files.h"

#include <linux/magic.h>

#include "absl/hash/hash.h"

namespace picket {
namespace {

constexpr uint64_t kByPlace = ~uint64_t{0};  // no device has this number

bool lies_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

std::string place_on_node(const Workspace& workspace, std::string_view path) {
  const Mount* nearest = nullptr;
  for (const Mount& mount : workspace.mounts)
    if (lies_below(path, mount.destination) &&
        (nearest == nullptr || mount.destination.size() >= nearest->destination.size()))
      nearest = &mount;
  if (nearest == nullptr || !nearest->source.starts_with('/')) return {};
  return nearest->source + std::string(path.substr(nearest->destination.size()));
}

std::optional<SharedFiles::Key> SharedFiles::key_of(const Event& event, const pk_open& open,
                                                    const Workspace& own) {
  if (open.result < 0) return std::nullopt;
  if (open.object.kind == PK_FD_FIFO) return Key{open.object.inode, open.object.dev};
  if (open.object.kind != PK_FD_FILE || open.object.magic != TMPFS_MAGIC) return std::nullopt;
  const std::string place = place_on_node(own, event.text(open.path));
  if (place.empty()) return std::nullopt;
  return Key{absl::HashOf(place), kByPlace};
}

uint64_t SharedFiles::learn(const Event& event, const pk_open& open, const Workspace& own) {
  const auto key = key_of(event, open, own);
  if (!key) return 0;
  const bool channel = open.object.kind == PK_FD_FIFO;
  const bool writes = channel || open.writes != 0;
  const auto [known, is_new] = by_file_.try_emplace(*key, Last{own.cgroup_id, writes});
  if (is_new) {
    order_.push_back(*key);
    if (order_.size() > kMax) {
      by_file_.erase(order_.front());
      order_.pop_front();
    }
    return 0;
  }
  Last& last = known->second;
  last.written |= writes;
  const uint64_t before = std::exchange(last.workspace, own.cgroup_id);
  return before != own.cgroup_id && last.written ? before : 0;
}

}  // namespace picket
