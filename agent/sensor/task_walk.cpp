#include "agent/sensor/task_walk.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bpf/picket/events.h"

namespace picket {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

}  // namespace

size_t TaskWalk::deliver(EventSink& sink) {
  if (!running()) return 0;
  buffer_.resize(kBufferBytes);
  const ssize_t got = read(tasks_.get(), buffer_.data() + filled_, buffer_.size() - filled_);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (got <= 0) {
    finish();
    return 0;
  }
  filled_ += static_cast<size_t>(got);
  size_t at = 0, count = 0;
  pk_header header{};
  while (filled_ - at >= sizeof(header)) {
    std::memcpy(&header, buffer_.data() + at, sizeof(header));
    if (header.size < sizeof(header) || header.size > filled_ - at) break;
    const std::vector<std::byte> record(buffer_.begin() + static_cast<ptrdiff_t>(at),
                                        buffer_.begin() + static_cast<ptrdiff_t>(at + header.size));
    sink.on_record(record);  // a copy, because records lie there without alignment
    at += header.size;
    ++count;
  }
  std::memmove(buffer_.data(), buffer_.data() + at, filled_ - at);
  filled_ -= at;
  return count;
}

void TaskWalk::finish() {
  tasks_ = FileDescriptor();
  buffer_ = {};
  filled_ = 0;
}

}  // namespace picket
