// GET of a daemon's own HTTP port, and its metrics as numbers. Any thread. Errors: Unavailable
// while nobody answers.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace picket::test {

struct HttpAnswer {
  int code = 0;
  std::string body;
};

absl::StatusOr<HttpAnswer> http_get(uint16_t port, const std::string& path);

// The sum of all series of the metric whose labels contain `label` ("reason=\"expired\""); 0 when
// there is none.
absl::StatusOr<double> metric(uint16_t port, const std::string& name,
                              const std::string& label = "");

// Nobody listens on it now. Somebody may a moment later: good enough for a test that binds it at
// once.
absl::StatusOr<uint16_t> free_port();

}  // namespace picket::test
