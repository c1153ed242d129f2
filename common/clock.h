// The only door to time. Passed by reference; the system clock is safe from every thread.
// Units: nanoseconds. Boot time is CLOCK_BOOTTIME, the kernel records' clock; wall time is UTC
// since the epoch.
#pragma once

#include <cstdint>

namespace picket {

struct Clock {
  virtual ~Clock() = default;
  virtual uint64_t boot_ns() const = 0;
  virtual uint64_t wall_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  uint64_t boot_ns() const override;
  uint64_t wall_ns() const override;
};

// RFC 3339, UTC, nine digits of fraction: "2026-11-25T20:29:12.123456789Z".
struct Rfc3339 {
  char text[32];
};
Rfc3339 rfc3339(uint64_t wall_ns);

}  // namespace picket
