// One destination of alerts outside the collector. Owner: its runner's thread, which calls send()
// again and again. Errors: a status means that the destination has taken nothing and that the same
// alerts shall come again later; whoever asks to stop gets an error soon.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "collector/store/store.h"

namespace picket {

// The first `alerts` of those that were offered are dealt with and never offered again.
struct Taken {
  size_t alerts = 0;
  size_t refused = 0;    // of these: the destination will not have them, now or later
  std::string why = {};  // of the refusal
};

struct Output {
  virtual ~Output() = default;

  // Returns once the destination has acknowledged at least the first of `alerts`, which are never
  // none. An alert may be sent twice; its id is the same each time.
  virtual absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token stop) = 0;
};

}  // namespace picket
