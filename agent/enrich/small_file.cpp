#include "agent/enrich/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace picket {

absl::StatusOr<std::string> read_small_file(const std::string& path, size_t max_bytes) {
  const auto failed = [&] {
    const std::string message = fmt::format("cannot read {}: {}", path, std::strerror(errno));
    const bool missing = errno == ENOENT || errno == ENOTDIR || errno == ESRCH;
    return missing ? absl::NotFoundError(message) : absl::UnknownError(message);
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed();
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t got = read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const absl::Status status = failed();
      close(fd);
      return status;
    }
    if (got == 0) break;
    text.append(part.data(), static_cast<size_t>(got));
    if (text.size() > max_bytes) {
      close(fd);
      return absl::ResourceExhaustedError(
          fmt::format("cannot read {}: more than {} bytes", path, max_bytes));
    }
  }
  close(fd);
  return text;
}

}  // namespace picket
