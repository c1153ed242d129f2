#include "agent/sensor/cgroup_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <deque>
#include <fstream>
#include <sstream>
#include <system_error>

namespace picket {
namespace {

constexpr uint64_t kRootId = 1;  // of every cgroup hierarchy's root, fixed by kernfs

// /proc/self/mounts writes blanks and backslashes as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<CgroupTree> CgroupTree::find(std::string_view mounts) {
  std::istringstream lines{std::string(mounts)};
  bool has_v1 = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device, place, kind;
    fields >> device >> place >> kind;
    has_v1 |= kind == "cgroup";
    if (kind == "cgroup2") return CgroupTree(unescape(place));
  }
  if (has_v1)
    return absl::FailedPreconditionError(
        "this machine has cgroup v1 only; workspaces can be told apart on cgroup v2 or the hybrid "
        "layout "
        "(boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 beside v1)");
  return absl::FailedPreconditionError(
      "no cgroup2 file system is mounted here; mount it, or give the agent's container the host's "
      "/sys/fs/cgroup");
}

std::filesystem::path CgroupTree::directory(std::string_view path) const {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.empty() ? mount_ : mount_ / path;
}

absl::StatusOr<uint64_t> CgroupTree::id(std::string_view path) const {
  const std::filesystem::path where = directory(path);
  struct stat info {};
  if (stat(where.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return absl::NotFoundError(fmt::format("no cgroup {} below {}", path, mount_.string()));
  return info.st_ino;
}

bool CgroupTree::populated(std::string_view path) const {
  std::ifstream file(directory(path) / "cgroup.events");
  for (std::string line; std::getline(file, line);)
    if (line == "populated 1") return true;
  return false;
}

bool CgroupTree::holds_process(std::string_view path, uint32_t pid) const {
  std::ifstream file(directory(path) / "cgroup.procs");
  for (uint32_t member = 0; file >> member;)
    if (member == pid) return true;
  return false;
}

void CgroupTree::walk(const std::function<void(const CgroupDirectory&)>& visit) const {
  std::deque<CgroupDirectory> open;
  open.push_back({.id = kRootId, .parent_id = 0, .level = 0, .name = "", .path = ""});
  while (!open.empty()) {
    const CgroupDirectory parent = std::move(open.front());
    open.pop_front();
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory(parent.path), error), end;
         !error && entry != end; entry.increment(error)) {
      struct stat info {};
      if (lstat(entry->path().c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
      const std::string name = entry->path().filename().string();
      CgroupDirectory found{.id = info.st_ino,
                            .parent_id = parent.id,
                            .level = parent.level + 1,
                            .name = name,
                            .path = parent.path + "/" + name};
      visit(found);
      open.push_back(std::move(found));
    }
  }
}

std::string CgroupTree::holder_of(uint32_t pid) const {
  std::string holder;
  walk([&](const CgroupDirectory& found) {
    if (holder.empty() && holds_process(found.path, pid)) holder = found.path;
  });
  return holder;
}

std::string unified_path(std::string_view proc_cgroup) {
  std::istringstream lines{std::string(proc_cgroup)};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return {};
}

}  // namespace picket
