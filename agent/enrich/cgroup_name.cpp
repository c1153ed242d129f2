#include "agent/enrich/cgroup_name.h"

#include <algorithm>

namespace picket {
namespace {

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// A UUID; or the hash of its manifest, which a static pod has instead.
bool is_pod_uid(std::string_view text) {
  if (text.size() == 32) return std::ranges::all_of(text, is_hex);
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

}  // namespace

bool is_container_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, is_hex);
}

std::string workspace_id(std::string_view cgroup_path) {
  while (cgroup_path.ends_with('/')) cgroup_path.remove_suffix(1);
  std::string_view last = cgroup_path.substr(cgroup_path.find_last_of('/') + 1);
  // Runtimes and systemd put a prefix before the id, and systemd a suffix behind it.
  std::string_view bare = last;
  if (bare.ends_with(".scope")) bare.remove_suffix(std::string_view(".scope").size());
  bare.remove_prefix(bare.find_last_of('-') + 1);
  if (is_container_id(bare)) last = bare;
  return std::string(last);
}

std::string pod_uid(std::string_view cgroup_path) {
  while (!cgroup_path.empty()) {
    const size_t end = std::min(cgroup_path.find('/'), cgroup_path.size());
    std::string_view name = cgroup_path.substr(0, end);
    cgroup_path.remove_prefix(std::min(end + 1, cgroup_path.size()));
    constexpr std::string_view kSlice = ".slice";
    const bool systemd = name.ends_with(kSlice);
    if (systemd) {  // names the slices above with dashes, so the uid has underscores
      name.remove_suffix(kSlice.size());
      name.remove_prefix(name.find_last_of('-') + 1);
    }
    if (!name.starts_with("pod")) continue;
    std::string uid(name.substr(3));
    if (systemd) std::ranges::replace(uid, '_', '-');
    if (is_pod_uid(uid)) return uid;
  }
  return {};
}

bool is_below(std::string_view path, std::string_view root) {
  while (root.ends_with('/')) root.remove_suffix(1);
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace picket
