// Remembers, across a crash, until when this agent has watched and its findings are in the spool: a
// small file rewritten about every second. At the next start the time since then is the interval in
// which nobody watched. Owner: the uplink thread. Errors: open() says which file could not be made;
// a failing beat() is counted by the caller.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

class Heartbeat {
 public:
  static absl::StatusOr<Heartbeat> open(const std::filesystem::path& file);
  Heartbeat(Heartbeat&& other) noexcept;
  Heartbeat& operator=(Heartbeat&&) = delete;
  ~Heartbeat();

  // The last beat of an earlier run, UTC nanoseconds; nullopt: the first run on this node, or the
  // file was unreadable.
  std::optional<uint64_t> previous_wall_ns() const { return previous_; }
  absl::Status beat(uint64_t wall_ns);

 private:
  Heartbeat(int fd, std::optional<uint64_t> previous) : fd_(fd), previous_(previous) {}
  int fd_;
  std::optional<uint64_t> previous_;
};

}  // namespace picket
