// Which process: its number and its start. A value; any thread; nothing fails.
#pragma once

#include <compare>
#include <cstdint>

namespace picket {

struct ProcessKey {
  uint32_t pid = 0;
  uint64_t start_ns = 0;  // CLOCK_BOOTTIME; survives pid reuse
  friend auto operator<=>(const ProcessKey&, const ProcessKey&) = default;
};

}  // namespace picket
