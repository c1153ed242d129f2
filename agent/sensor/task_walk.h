// Reads what a task iterator of the kernel programs writes: whole records, one read at a time.
// Owner: BpfSensor, pipeline thread. Errors: a walk that the kernel ends or refuses is over; the
// hook's coverage line says what is missed then.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/sensor/probes.h"
#include "agent/sensor/source.h"

namespace picket {

class TaskWalk {
 public:
  TaskWalk() = default;
  explicit TaskWalk(FileDescriptor tasks) : tasks_(std::move(tasks)) {}

  bool running() const { return tasks_.valid(); }
  // Returns how many records were delivered; they are valid during the call only.
  size_t deliver(EventSink& sink);

 private:
  void finish();

  FileDescriptor tasks_;
  std::vector<std::byte> buffer_;
  size_t filled_ = 0;
};

}  // namespace picket
