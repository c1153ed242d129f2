#include "tests/support/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "picket-test.";

// Field 22 of /proc/PID/stat; empty when there is no such process.
std::string start_time_of(std::string_view pid) {
  auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat.ok()) return {};
  size_t behind_name = stat->rfind(')');
  if (behind_name == std::string::npos) return {};
  std::istringstream words(stat->substr(behind_name + 1));
  std::string word;
  for (int field = 3; field <= 22; ++field) words >> word;
  return word;
}

std::string own_name() {
  std::string pid = std::to_string(getpid());
  return fmt::format("{}{}.{}", kPrefix, pid, start_time_of(pid));
}

// "picket-test.PID.START" whose process is gone, or whose PID belongs to another one by now.
bool is_leftover(const std::string& name) {
  if (!name.starts_with(kPrefix)) return false;
  std::string owner = name.substr(kPrefix.size());
  size_t dot = owner.find('.');
  if (dot == std::string::npos) return false;
  return start_time_of(owner.substr(0, dot)) != owner.substr(dot + 1);
}

void remove_folder(const fs::path& folder) {
  // Mounts live in namespaces of the containers; one made by hand here would turn removal into a
  // disaster.
  std::ifstream mounts("/proc/self/mounts");
  std::vector<std::string> below;
  for (std::string line; std::getline(mounts, line);) {
    size_t start = line.find(' ') + 1;
    std::string target = line.substr(start, line.find(' ', start) - start);
    if (target.starts_with(folder.string() + "/")) below.push_back(target);
  }
  std::reverse(below.begin(), below.end());
  for (const std::string& target : below)
    if (umount2(target.c_str(), MNT_DETACH) != 0) return;
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

template <class Remove>
void for_leftovers(const fs::path& parent, Remove remove) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(parent, error))
    if (is_leftover(entry.path().filename())) found.push_back(entry.path());
  for (const fs::path& path : found) remove(path);
}

bool populated(const std::string& events) {
  return events.find("populated 1") != std::string::npos;
}

// cgroup.events raises POLLPRI when a value in it changes.
absl::Status wait_until_empty(const std::string& folder) {
  Fd events(open((folder + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (events.valid() && std::chrono::steady_clock::now() < deadline) {
    char text[256];
    ssize_t got = pread(events.get(), text, sizeof text, 0);
    if (got <= 0 || !populated(std::string(text, static_cast<size_t>(got))))
      return absl::OkStatus();
    pollfd waiting{events.get(), POLLPRI, 0};
    poll(&waiting, 1, 1000);
  }
  return absl::DeadlineExceededError(fmt::format("empty the cgroup {}", folder));
}

std::vector<std::string> v1_mounts() {
  std::vector<std::string> found;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, target, type, rest; mounts >> device >> target >> type;) {
    std::getline(mounts, rest);
    if (type == "cgroup") found.push_back(target);
  }
  return found;
}

// The folder itself and all below it, children first.
std::vector<fs::path> cgroups_of(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) return {};
  std::vector<fs::path> all = {folder};
  for (const auto& entry : fs::recursive_directory_iterator(folder, error))
    if (entry.is_directory(error)) all.push_back(entry.path());
  std::sort(all.rbegin(), all.rend());
  return all;
}

// What a runtime made beside it where it knows v1 hierarchies. Of a freezer it is thawed first:
// nobody ends in one that is frozen.
template <class Do>
void for_v1_twins(const std::string& folder, Do act) {
  for (const std::string& mount : v1_mounts())
    for (const fs::path& path : cgroups_of(mount + folder.substr(cgroup2_mount().size())))
      act(path);
}

}  // namespace

const std::string& cgroup2_mount() {
  static const std::string mount = [] {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, target, type, rest; mounts >> device >> target >> type;) {
      std::getline(mounts, rest);
      if (type == "cgroup2") return target;
    }
    return std::string();
  }();
  return mount;
}

absl::Status remove_cgroup(const std::string& folder) {
  const std::vector<fs::path> all = cgroups_of(folder);
  if (all.empty()) return absl::OkStatus();
  for (const fs::path& path : all) (void)write_file(path / "cgroup.freeze", "0");
  for_v1_twins(folder, [](const fs::path& path) {
    if (fs::exists(path / "freezer.state")) (void)write_file(path / "freezer.state", "THAWED");
  });
  if (absl::Status killed = write_file(folder + "/cgroup.kill", "1"); !killed.ok()) return killed;
  if (absl::Status empty = wait_until_empty(folder); !empty.ok()) return empty;
  absl::Status status;
  const auto remove = [&](const fs::path& path) {
    if (rmdir(path.c_str()) != 0 && errno != ENOENT)
      status.Update(absl::InternalError(fmt::format("remove the cgroup {}", path.string())));
  };
  for (const fs::path& path : all) remove(path);
  for_v1_twins(folder, remove);
  return status;
}

void remove_leftovers() {
  for_leftovers(cgroup2_mount(), [](const fs::path& path) { (void)remove_cgroup(path); });
  for_leftovers(fs::temp_directory_path(), [](const fs::path& path) { remove_folder(path); });
}

bool is_installed(std::string_view program) {
  std::istringstream folders(getenv("PATH") ? getenv("PATH") : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access(fmt::format("{}/{}", folder, program).c_str(), X_OK) == 0) return true;
  return false;
}

std::string missing_for_live_tests() {
  if (geteuid() != 0) return "not root";
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) return "the kernel has no BTF";
  if (cgroup2_mount().empty()) return "cgroup v2 is not mounted";
  for (const char* program : {"runc", "busybox"})
    if (!is_installed(program)) return fmt::format("{} is not installed", program);
  return {};
}

Sandbox::Sandbox(std::string folder, std::string cgroup)
    : folder_(std::move(folder)), cgroup_(std::move(cgroup)) {}

absl::StatusOr<std::unique_ptr<Sandbox>> Sandbox::create() {
  if (cgroup2_mount().empty()) return absl::FailedPreconditionError("cgroup v2 is not mounted");
  remove_leftovers();
  std::string name = own_name();
  fs::path folder = fs::temp_directory_path() / name;
  std::unique_ptr<Sandbox> sandbox(new Sandbox(folder, "/" + name));
  std::error_code error;
  if (!fs::create_directory(folder, error))
    return absl::InternalError(
        fmt::format("make the folder {}: only one at a time", folder.string()));
  fs::permissions(folder, fs::perms::owner_all, error);
  if (!fs::create_directory(sandbox->cgroup_folder(), error))
    return absl::InternalError(fmt::format("make the cgroup {}", sandbox->cgroup_folder()));
  return sandbox;
}

Sandbox::~Sandbox() {
  absl::Status removed = remove_cgroup(cgroup_folder());
  if (!removed.ok()) fmt::print(stderr, "{}\n", std::string(removed.message()));
  remove_folder(folder_);
}

std::string Sandbox::path(std::string_view name) const {
  return fmt::format("{}/{}", folder_, name);
}

std::string Sandbox::cgroup_folder() const { return cgroup2_mount() + cgroup_; }

}  // namespace picket::test
