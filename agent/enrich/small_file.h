// Reads a file of /proc or of a runtime's state as a whole. Any thread.
// Errors: NotFound when it does not exist, else what was attempted, with the file's name; larger
// than `max_bytes` is one.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace picket {

absl::StatusOr<std::string> read_small_file(const std::string& path, size_t max_bytes);

}  // namespace picket
