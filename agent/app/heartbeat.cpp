#include "agent/app/heartbeat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace picket {
namespace {

constexpr size_t kDigits =
    20;  // every uint64_t fits, padded: each beat overwrites the one before it

}  // namespace

absl::StatusOr<Heartbeat> Heartbeat::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::InternalError(
        fmt::format("open heartbeat file {}: {}", file.string(), strerror(errno)));
  }
  std::array<char, kDigits> text{};
  std::optional<uint64_t> previous;
  if (pread(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(kDigits)) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value != 0) previous = value;
  }
  return Heartbeat(fd, previous);
}

Heartbeat::Heartbeat(Heartbeat&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), previous_(other.previous_) {}

Heartbeat::~Heartbeat() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Heartbeat::beat(uint64_t wall_ns) {
  const std::string text = fmt::format("{:020}", wall_ns);
  if (pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return absl::InternalError(fmt::format("write heartbeat: {}", strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace picket
