// Remembers, across a crash, until when this agent has watched and its findings are in the spool: a
// small file rewritten about every second. At the next start the time since then is the interval in
// which nobody watched. Owner: the uplink thread. Errors: open() says which file could not be made;
// a failing beat() is counted by the caller.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/app/envelopes.h"

namespace picket {

struct Beat {
  uint64_t wall_ns = 0;  // UTC
  uint64_t boot_ns = 0;  // CLOCK_BOOTTIME: what counts within one boot, where nobody sets a clock
  std::string boot_id;   // empty: written by an agent that did not know of it
  friend bool operator==(const Beat&, const Beat&) = default;
};

// The moment of `beat` on this boot's clock; never after `now_boot_ns`.
uint64_t boot_ns_of(const Beat& beat, const std::string& boot_id, const Timeline& timeline,
                    uint64_t now_boot_ns);

class Heartbeat {
 public:
  static absl::StatusOr<Heartbeat> open(const std::filesystem::path& file);
  Heartbeat(Heartbeat&& other) noexcept;
  Heartbeat& operator=(Heartbeat&&) = delete;
  ~Heartbeat();

  // The last one of an earlier run; nullopt: the first run on this node, or the file was
  // unreadable.
  const std::optional<Beat>& previous() const { return previous_; }
  absl::Status beat(const Beat& beat);

 private:
  Heartbeat(int fd, std::optional<Beat> previous) : fd_(fd), previous_(std::move(previous)) {}
  int fd_;
  std::optional<Beat> previous_;
};

}  // namespace picket
