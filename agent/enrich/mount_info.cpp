#include "agent/enrich/mount_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/small_file.h"

namespace picket {
namespace {

std::string_view next_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

// The kernel writes blank, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view word) {
  std::string text;
  for (size_t i = 0; i < word.size(); ++i) {
    const std::string_view digits = word.substr(std::min(i + 1, word.size()), 3);
    const bool octal = digits.size() == 3 &&
                       std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '7'; });
    if (word[i] == '\\' && octal) {
      text.push_back(
          static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0')));
      i += 3;
    } else {
      text.push_back(word[i]);
    }
  }
  return text;
}

std::optional<MountLine> parse_line(std::string_view line) {
  const size_t separator = line.find(" - ");
  if (separator == line.npos) return std::nullopt;
  std::string_view rest = line.substr(separator + 3);
  MountLine mount;
  next_word(line);  // mount id
  next_word(line);  // parent's
  mount.device = next_word(line);
  mount.root = unescape(next_word(line));
  mount.point = unescape(next_word(line));
  mount.type = next_word(rest);
  mount.source = unescape(next_word(rest));
  mount.options = rest;
  return mount;
}

std::string_view option(std::string_view options, std::string_view name) {
  while (!options.empty()) {
    const size_t end = std::min(options.find(','), options.size());
    const std::string_view item = options.substr(0, end);
    if (item.starts_with(name) && item.substr(name.size()).starts_with('='))
      return item.substr(name.size() + 1);
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return {};
}

}  // namespace

absl::StatusOr<std::vector<MountLine>> read_mount_info(const std::string& file) {
  constexpr size_t kMaxBytes = 8 << 20;
  absl::StatusOr<std::string> text = read_small_file(file, kMaxBytes);
  if (!text.ok()) return text.status();
  std::vector<MountLine> mounts;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (auto mount = parse_line(rest.substr(0, end))) mounts.push_back(*std::move(mount));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return mounts;
}

std::string host_path_of_root(const std::vector<MountLine>& container,
                              const std::vector<MountLine>& host) {
  // The last mount over "/" is the one that processes see.
  const auto root = std::find_if(container.rbegin(), container.rend(),
                                 [](const MountLine& m) { return m.point == "/"; });
  if (root == container.rend()) return {};
  const MountLine* best = nullptr;
  for (const MountLine& mount : host) {
    if (mount.device != root->device || !is_below(root->root, mount.root)) continue;
    if (best == nullptr || mount.root.size() > best->root.size()) best = &mount;
  }
  if (best != nullptr) {
    const std::string_view below =
        std::string_view(root->root).substr(best->root == "/" ? 0 : best->root.size());
    std::string path = best->point == "/" ? std::string(below) : best->point + std::string(below);
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path.empty() ? "/" : path;
  }
  if (const auto upper = option(root->options, "upperdir"); !upper.empty())
    return std::string(upper);
  return fmt::format("{}:{}", root->type, root->source);
}

}  // namespace picket
