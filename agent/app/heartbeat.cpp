#include "agent/app/heartbeat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace picket {
namespace {

// Every uint64_t fits, padded, and every boot id: each beat overwrites the one before it.
constexpr size_t kDigits = 20, kBootId = 36;
constexpr size_t kSize = kDigits + 1 + kDigits + 1 + kBootId;

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value != 0 ? std::optional(value) : std::nullopt;
}

std::optional<Beat> parse(std::string_view text) {
  if (text.size() < kDigits) return std::nullopt;
  const auto wall_ns = number(text.substr(0, kDigits));
  if (!wall_ns) return std::nullopt;
  Beat beat{*wall_ns, 0, {}};
  const auto boot_ns = text.size() == kSize ? number(text.substr(kDigits + 1, kDigits)) : wall_ns;
  if (!boot_ns || text.size() != kSize) return beat;
  beat.boot_ns = *boot_ns;
  beat.boot_id = text.substr(kSize - kBootId);
  beat.boot_id.erase(beat.boot_id.find_last_not_of(' ') + 1);
  return beat;
}

}  // namespace

uint64_t boot_ns_of(const Beat& beat, const std::string& boot_id, const Timeline& timeline,
                    uint64_t now_boot_ns) {
  if (!beat.boot_id.empty() && beat.boot_id == boot_id) return std::min(beat.boot_ns, now_boot_ns);
  // Before this boot: its clock would show less than zero, so compare what the wall showed.
  const uint64_t now_wall_ns = timeline.wall_ns(now_boot_ns);
  return timeline.boot_ns(std::min(beat.wall_ns, now_wall_ns));
}

absl::StatusOr<Heartbeat> Heartbeat::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::InternalError(
        fmt::format("open heartbeat file {}: {}", file.string(), strerror(errno)));
  }
  std::array<char, kSize> text{};
  const ssize_t size = pread(fd, text.data(), text.size(), 0);
  return Heartbeat(fd, size < 0 ? std::nullopt : parse({text.data(), static_cast<size_t>(size)}));
}

Heartbeat::Heartbeat(Heartbeat&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), previous_(std::move(other.previous_)) {}

Heartbeat::~Heartbeat() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Heartbeat::beat(const Beat& beat) {
  const std::string text =
      fmt::format("{:020} {:020} {:36.36}", beat.wall_ns, beat.boot_ns, beat.boot_id);
  if (pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return absl::InternalError(fmt::format("write heartbeat: {}", strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace picket
