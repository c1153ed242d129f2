// Root file systems for containers of tests: "busybox" (a second), "tools" (interpreters) and
// "developer" (compilers, debuggers, package managers, a database); the last two take
// minutes, once per machine. Made by packaging/dev/image, which locks and caches; any thread.
// Errors: the script's own words.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace picket::test {

// The lower layers for an overlay, highest first: the programs of the tests, then the image.
absl::StatusOr<std::string> image_layers(const std::string& image);

}  // namespace picket::test
