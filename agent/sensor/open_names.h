// The names by which the kernel knows an open as interesting whoever makes it: places of secrets
// and of programs that start by themselves. Constant data; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace picket {

struct OpenName {
  std::string_view name;  // one component of a path
  uint32_t bits;          // PK_NAME_*
};
std::span<const OpenName> open_names();

uint64_t hash_open_name(std::string_view name);

// Writes them into the kernel's map `names`.
absl::Status enter_open_names(int names);

}  // namespace picket
