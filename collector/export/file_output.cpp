#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "collector/export/destinations.h"
#include "collector/export/render.h"

namespace picket {
namespace {

class FileOutput final : public Output {
 public:
  FileOutput(const FileTarget& target, AlertFormat format, std::string version)
      : path_(target.path), format_(format), version_(std::move(version)) {}
  FileOutput(const FileOutput&) = delete;
  FileOutput& operator=(const FileOutput&) = delete;
  ~FileOutput() override { close(); }

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token) override {
    if (absl::Status status = open(); !status.ok()) return status;
    std::string text;
    for (const StoredAlert& one : alerts) text += render(format_, one.alert, version_) + '\n';
    if (absl::Status status = append(text); !status.ok()) {
      close();
      return status;
    }
    return Taken{alerts.size()};
  }

 private:
  absl::Status failed(const char* what) const {
    return absl::UnavailableError(fmt::format("{} {}: {}", what, path_, std::strerror(errno)));
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // Who rotates files may have moved ours away.
  bool is_in_place() const {
    struct stat ours {
    }, there{};
    return fd_ >= 0 && ::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
  }

  absl::Status open() {
    if (is_in_place()) return absl::OkStatus();
    close();
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) return failed("open");
    struct stat file {};
    if (::fstat(fd_, &file) != 0) return failed("look at");
    if (!S_ISREG(file.st_mode) || file.st_size == 0) return absl::OkStatus();
    char last = '\n';
    if (::pread(fd_, &last, 1, file.st_size - 1) != 1) return failed("read");
    // A line that a crash has torn ends here; its alert comes again, whole.
    return last == '\n' ? absl::OkStatus() : append("\n");
  }

  absl::Status append(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("append to");
      text.remove_prefix(static_cast<size_t>(written));
    }
    if (::fdatasync(fd_) == 0 || errno == EINVAL) return absl::OkStatus();  // EINVAL: a pipe
    return failed("append to");
  }

  const std::string path_;
  const AlertFormat format_;
  const std::string version_;
  int fd_ = -1;
};

}  // namespace

std::unique_ptr<Output> file_output(const FileTarget& target, AlertFormat format,
                                    const std::string& version) {
  return std::make_unique<FileOutput>(target, format, version);
}

}  // namespace picket
