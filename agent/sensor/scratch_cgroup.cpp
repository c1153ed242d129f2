#include "agent/sensor/scratch_cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "agent/sensor/probes.h"

namespace picket {
namespace {

constexpr int kRemovalTries = 20;
constexpr int kRemovalWaitMs = 50;

std::vector<std::string> directories_in(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    if (entry.is_directory(error)) found.push_back(entry.path());
  return found;
}

// In a cgroup namespace of its own /proc does not tell a process where it is. The root has mode
// 0555, and with `nsdelegate` nobody may move processes out of such a namespace.
std::string parent_of_scratch(const CgroupTree& tree) {
  if (access(tree.mount().c_str(), W_OK) == 0) return {};
  return tree.holder_of(static_cast<uint32_t>(getpid()));
}

// An agent that was killed could not clean up: its successor does.
void remove_leftovers(const std::filesystem::path& parent, std::string_view prefix) {
  for (const std::string& directory : directories_in(parent)) {
    const std::string name = std::filesystem::path(directory).filename();
    if (!name.starts_with(prefix)) continue;
    const std::string pid = name.substr(prefix.size());
    std::error_code error;
    const bool alive = std::filesystem::exists("/proc/" + pid, error);
    if (!alive || pid == std::to_string(getpid())) remove_cgroup(directory);
  }
}

}  // namespace

// The kernel reports when the last process is gone.
bool remove_cgroup(const std::string& directory) {
  for (const std::string& below : directories_in(directory)) remove_cgroup(below);
  const FileDescriptor kill_all(open((directory + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  if (kill_all.valid()) (void)!write(kill_all.get(), "1", 1);
  const FileDescriptor events(open((directory + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  for (int tries = 0; tries < kRemovalTries; ++tries) {
    if (rmdir(directory.c_str()) == 0) return true;
    if (errno != EBUSY) return errno == ENOENT;
    char text[64];
    (void)!pread(events.get(), text, sizeof(text), 0);  // arms the notification
    pollfd change{.fd = events.get(), .events = POLLPRI, .revents = 0};
    poll(&change, 1, kRemovalWaitMs);
  }
  return rmdir(directory.c_str()) == 0;
}

std::string scratch_path(const CgroupTree& tree, std::string_view prefix) {
  return fmt::format("{}/{}{}", parent_of_scratch(tree), prefix, getpid());
}

ScratchCgroup::ScratchCgroup(const CgroupTree& tree, std::string_view prefix)
    : path_(scratch_path(tree, prefix)), directory_(tree.directory(path_).string()) {
  remove_leftovers(std::filesystem::path(directory_).parent_path(), prefix);
  if (mkdir(directory_.c_str(), 0755) != 0)
    why_ = strerror(errno);
  else if (absl::StatusOr<uint64_t> id = tree.id(path_); id.ok())
    id_ = *id;
}

ScratchCgroup::~ScratchCgroup() {
  if (id_) remove_cgroup(directory_);
}

}  // namespace picket
