// Where records come from: the kernel's ring, a recording, a test. The pipeline knows no other
// input. Owner: the pipeline thread calls poll(); start() is called once by the thread that
// composes the agent. Errors: start() fails with what was attempted; poll() fails only when the
// source is finished or broken for good (absl::OutOfRangeError: the recording has ended).
#pragma once

#include <chrono>
#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

struct EventSink {
  virtual ~EventSink() = default;
  virtual void on_record(std::span<const std::byte> record) = 0;  // valid during the call only
};

struct EventSource {
  virtual ~EventSource() = default;
  virtual absl::Status start() = 0;
  // Waits at most `timeout` for the first record, then delivers what is there. Returns how many
  // were delivered.
  virtual absl::StatusOr<size_t> poll(EventSink& sink, std::chrono::milliseconds timeout) = 0;
  // Any thread: a poll() that waits, or the next one, returns at once.
  virtual void wake() {}
};

}  // namespace picket
