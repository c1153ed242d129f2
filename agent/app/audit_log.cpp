#include "agent/app/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace picket {
namespace {

constexpr size_t kMaxLine = 1 << 20;
constexpr uint32_t kChanges = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM;

}  // namespace

AuditLog::AuditLog(std::filesystem::path file, OnAccess on_access)
    : file_(std::move(file)),
      on_access_(std::move(on_access)),
      changes_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

AuditLog::~AuditLog() {
  stop();
  for (const int fd : {changes_, wake_, log_})
    if (fd >= 0) close(fd);
}

absl::Status AuditLog::start() {
  const std::string folder = file_.parent_path().empty() ? "." : file_.parent_path().string();
  if (changes_ < 0 || wake_ < 0 || inotify_add_watch(changes_, folder.c_str(), kChanges) < 0)
    return absl::InternalError(
        fmt::format("watch the Kubernetes audit log {}: {}", file_.string(), std::strerror(errno)));
  if (open_file()) position_ = static_cast<uint64_t>(lseek(log_, 0, SEEK_END));
  thread_ = std::thread([this] { run(); });
  return absl::OkStatus();
}

void AuditLog::stop() {
  if (!thread_.joinable()) return;
  constexpr uint64_t kOnce = 1;
  (void)!write(wake_, &kOnce, sizeof kOnce);
  thread_.join();
}

void AuditLog::run() {
  std::array<pollfd, 2> files{{{changes_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  alignas(inotify_event) std::array<char, 4096> buffer;
  for (;;) {
    read_on();
    if (poll(files.data(), files.size(), -1) < 0 && errno != EINTR) return;
    if (files[1].revents != 0) return;
    while (read(changes_, buffer.data(), buffer.size()) > 0) continue;
  }
}

bool AuditLog::open_file() {
  const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat found {};
  ::fstat(fd, &found);
  if (log_ >= 0) close(log_);
  log_ = fd;
  inode_ = found.st_ino;
  position_ = 0;
  rest_.clear();
  skipping_ = false;
  return true;
}

void AuditLog::read_on() {
  if (log_ >= 0) take_lines();  // what came before it was rotated away
  struct stat found {};
  if (::stat(file_.c_str(), &found) != 0) return;
  const bool other = log_ < 0 || found.st_ino != inode_;
  const bool cut = !other && static_cast<uint64_t>(found.st_size) < position_;
  if ((other || cut) && open_file()) take_lines();
}

void AuditLog::take_lines() {
  std::array<char, 65536> buffer;
  for (ssize_t size = 0;
       (size = pread(log_, buffer.data(), buffer.size(), static_cast<off_t>(position_))) > 0;) {
    position_ += static_cast<uint64_t>(size);
    std::string_view text(buffer.data(), static_cast<size_t>(size));
    for (size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
      if (!std::exchange(skipping_, false)) take(rest_.append(text.substr(0, end)));
      rest_.clear();
    }
    if (!skipping_) rest_ += text;
    if (rest_.size() <= kMaxLine) continue;
    skipping_ = true;
    rest_.clear();
    ++bad_;
  }
}

void AuditLog::take(std::string_view line) {
  if (line.empty()) return;
  auto access = parse_api_access(line);
  if (!access.ok()) {
    if (bad_++ == 0)
      SPDLOG_WARN("{}; more of these are left out", std::string(access.status().message()));
    return;
  }
  if (*access) on_access_(*std::move(*access));
}

}  // namespace picket
