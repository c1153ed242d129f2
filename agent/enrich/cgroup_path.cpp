#include "agent/enrich/cgroup_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <new>
#include <optional>

#include "agent/enrich/mount_info.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxDirectories = 100'000;

// kernfs lets a holder of CAP_DAC_READ_SEARCH open a cgroup by its id: no walk, whatever the number
// of cgroups.
std::optional<std::string> path_by_handle(const std::string& root, uint64_t id) {
  constexpr int kFileidKernfs = 0xfe;
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof id> memory{};
  auto* handle = new (memory.data()) file_handle;
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileidKernfs;
  std::memcpy(memory.data() + sizeof(file_handle), &id, sizeof id);
  const int mount = open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (mount < 0) return std::nullopt;
  const int fd = open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC);
  close(mount);
  if (fd < 0) return std::nullopt;
  std::array<char, 4096> target;
  const ssize_t length =
      readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  close(fd);
  if (length <= 0) return std::nullopt;
  std::string_view path(target.data(), static_cast<size_t>(length));
  if (!path.starts_with(root)) return std::nullopt;
  path.remove_prefix(root.size());
  return path.empty() ? "/" : std::string(path);
}

std::optional<std::string> path_by_walk(const std::string& root, uint64_t id) {
  std::error_code error;
  size_t seen = 0;
  fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied,
                                         error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_directory(error)) continue;
    if (++seen > kMaxDirectories) return std::nullopt;
    struct stat status;
    if (stat(entry->path().c_str(), &status) == 0 && status.st_ino == id) {
      return entry->path().string().substr(root.size());
    }
  }
  return std::nullopt;
}

// A container with a cgroup namespace of its own sees the node's root above its own cgroup:
// "/../..".
bool is_root(std::string_view root) {
  while (root.starts_with("/..")) root.remove_prefix(3);
  return root.empty() || root == "/";
}

}  // namespace

absl::StatusOr<std::string> find_cgroup2(const std::string& proc_root) {
  const std::string file = proc_root + "/self/mountinfo";
  absl::StatusOr<std::vector<MountLine>> mounts = read_mount_info(file);
  if (!mounts.ok()) return mounts.status();
  for (const MountLine& mount : *mounts) {
    if (mount.type == "cgroup2" && is_root(mount.root)) return mount.point;
  }
  return absl::NotFoundError(fmt::format("cannot find a mount of cgroup v2 in {}", file));
}

absl::StatusOr<std::string> cgroup_path(const std::string& cgroup_root, uint64_t id) {
  std::string root = cgroup_root;
  while (root.ends_with('/')) root.pop_back();
  if (auto path = path_by_handle(root, id)) return *std::move(path);
  if (auto path = path_by_walk(root, id)) return *std::move(path);
  return absl::NotFoundError(fmt::format("cannot find cgroup {} below {}", id, cgroup_root));
}

std::string path_from_root(const std::string& namespace_root, std::string_view path) {
  if (namespace_root.empty()) return std::string(path);
  std::string whole =
      std::filesystem::path(namespace_root + std::string(path)).lexically_normal().string();
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  return whole;
}

}  // namespace picket
