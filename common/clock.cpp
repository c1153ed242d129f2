#include "common/clock.h"

#include <cstdio>
#include <ctime>

namespace picket {
namespace {

uint64_t read_ns(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

uint64_t SystemClock::boot_ns() const { return read_ns(CLOCK_BOOTTIME); }
uint64_t SystemClock::wall_ns() const { return read_ns(CLOCK_REALTIME); }

Rfc3339 rfc3339(uint64_t wall_ns) {
  const auto seconds = static_cast<time_t>(wall_ns / 1'000'000'000U);
  tm utc{};
  gmtime_r(&seconds, &utc);
  Rfc3339 out{};
  const size_t used = strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out.text + used, sizeof out.text - used, ".%09uZ",
           static_cast<unsigned>(wall_ns % 1'000'000'000U));
  return out;
}

}  // namespace picket
