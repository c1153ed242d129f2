#include "agent/enrich/rootfs_names.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>

namespace picket {
namespace {

constexpr size_t kFileBytes = 1 << 20;
constexpr size_t kNamesMax = 4096, kNameBytes = 64;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// The whole of a regular file below `root`, every link followed within it; empty: there is none.
std::string read_within(int root, const char* path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const Descriptor file(static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof(how))));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text;
  std::array<char, 16384> part;
  while (text.size() < kFileBytes) {
    const ssize_t got = read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(part.data(), static_cast<size_t>(got));
  }
  return text;
}

std::string_view take_until(std::string_view& rest, char end) {
  const size_t at = rest.find(end);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == rest.npos ? rest.size() : at + 1);
  return part;
}

}  // namespace

Names parse_names(std::string_view text) {
  Names names;
  while (!text.empty() && names.size() < kNamesMax) {
    std::string_view line = take_until(text, '\n');
    const std::string_view name = take_until(line, ':');
    take_until(line, ':');
    const std::string_view number = take_until(line, ':');
    uint32_t id = 0;
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, id);
    if (error != std::errc() || stop != end || name.empty() || name.size() > kNameBytes) continue;
    names.try_emplace(id, name);
  }
  return names;
}

absl::Status RootfsNames::complete(Workspace& workspace) {
  std::string path = workspace.rootfs;
  if (path.empty() && workspace.init_pid != 0)
    path = fmt::format("/proc/{}/root", workspace.init_pid);
  if (path.empty()) return absl::OkStatus();
  const Descriptor root(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return absl::OkStatus();
  workspace.users = parse_names(read_within(root.get(), "etc/passwd"));
  workspace.groups = parse_names(read_within(root.get(), "etc/group"));
  return absl::OkStatus();
}

}  // namespace picket
