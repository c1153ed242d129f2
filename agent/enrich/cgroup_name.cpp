#include "agent/enrich/cgroup_name.h"

#include <algorithm>

namespace picket {

bool is_container_id(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
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

bool is_below(std::string_view path, std::string_view root) {
  while (root.ends_with('/')) root.remove_suffix(1);
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace picket
