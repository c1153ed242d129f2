// Reads the kernel's ring in place, and waits for it. Records that can wait do not wake: while they
// come they are fetched at short intervals, and when none came for one interval the kernel is told
// to wake for the first one, whatever it is (docs/decisions/0005). Owner: BpfSensor, pipeline
// thread; wake() may be called by any. Errors: a ring that cannot be mapped or read.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sensor/probes.h"
#include "agent/sensor/source.h"
#include "agent/sensor/urgency.h"
#include "bpf/picket/policy.h"

struct ring_buffer;

namespace picket {

class RingReader {
 public:
  // Both outlive the reader.
  static absl::StatusOr<std::unique_ptr<RingReader>> open(int ring, pk_reader& shared);
  ~RingReader();

  // Waits at most `timeout` for the first record and delivers what is there. Returns how many.
  absl::StatusOr<size_t> read(EventSink& sink, std::chrono::milliseconds timeout);
  void wake();

  void set_urgent(const Urgency& urgency);
  uint64_t wakeups() const { return wakeups_; }  // waits that a record has ended so far

 private:
  struct Close {
    void operator()(ring_buffer* ring) const;
  };
  explicit RingReader(pk_reader& shared) : shared_(shared) {}
  static int on_sample(void* self, void* data, size_t size);

  absl::Status watch(int file, uint32_t events);
  absl::Status sleep(std::chrono::milliseconds timeout);
  void wait(std::chrono::milliseconds timeout);
  absl::Status consume();

  pk_reader& shared_;
  std::unique_ptr<ring_buffer, Close> ring_;
  FileDescriptor epoll_, wake_;
  uint64_t wakeups_ = 0;
  bool idle_ = false;    // the last wait brought nothing
  bool behind_ = false;  // more is there than one read delivers

  EventSink* sink_ = nullptr;  // during read()
  size_t delivered_ = 0;
};

}  // namespace picket
