#include "agent/sensor/ring_reader.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace picket {
namespace {

using std::chrono::milliseconds;

constexpr size_t kBatch = 4096;  // records per read: the pipeline has other duties too
constexpr int kEnough = -ECANCELED;
constexpr milliseconds kCompany{100};  // how long a record that is not urgent may wait

}  // namespace

void RingReader::Close::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

RingReader::~RingReader() = default;

absl::StatusOr<std::unique_ptr<RingReader>> RingReader::open(int ring, pk_reader& shared) {
  std::unique_ptr<RingReader> reader(new RingReader(shared));
  reader->ring_.reset(ring_buffer__new(ring, &RingReader::on_sample, reader.get(), nullptr));
  if (!reader->ring_)
    return absl::InternalError(fmt::format("cannot map the ring: {}", strerror(errno)));
  reader->epoll_ = FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
  reader->wake_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // Edges: what lies in the ring and was not worth a wake-up must not end a wait.
  absl::Status status = reader->watch(ring, EPOLLIN | EPOLLET);
  status.Update(reader->watch(reader->wake_.get(), EPOLLIN));
  if (!status.ok()) return status;
  return reader;
}

absl::Status RingReader::watch(int file, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = file;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, file, &event) == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("cannot wait for the ring: {}", strerror(errno)));
}

void RingReader::set_urgent(const Urgency& urgency) {
  for (size_t call = 0; call < urgency.calls.size(); ++call)
    std::atomic_ref<__u8>(shared_.calm[call])
        .store(!urgency.calls[call], std::memory_order_relaxed);
  for (size_t type = 0; type < urgency.classes.size(); ++type)
    std::atomic_ref<__u64>(shared_.urgent[type])
        .store(urgency.classes[type], std::memory_order_relaxed);
}

void RingReader::wake() { eventfd_write(wake_.get(), 1); }

absl::StatusOr<size_t> RingReader::read(EventSink& sink, milliseconds timeout) {
  sink_ = &sink;
  delivered_ = 0;
  absl::Status status;
  if (behind_) timeout = milliseconds(0);
  if (idle_ && timeout.count() > 0) {
    status = sleep(timeout);
  } else {
    wait(std::min(timeout, kCompany));
  }
  status.Update(consume());
  sink_ = nullptr;
  if (!status.ok()) return status;
  idle_ = delivered_ == 0;
  return delivered_;
}

// The kernel puts a record into the ring and then asks whether the reader sleeps; here it is said
// first and then looked into the ring. So one of both sees the other, and no record lies there
// unseen.
absl::Status RingReader::sleep(milliseconds timeout) {
  std::atomic_ref<__u32> asleep(shared_.asleep);
  asleep.store(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  absl::Status status = consume();
  if (status.ok() && delivered_ == 0) wait(timeout);
  asleep.store(0, std::memory_order_relaxed);
  return status;
}

void RingReader::wait(milliseconds timeout) {
  std::array<epoll_event, 2> events{};
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               static_cast<int>(timeout.count()));
  for (int i = 0; i < count; ++i) {
    if (events[static_cast<size_t>(i)].data.fd != wake_.get()) {
      ++wakeups_;
      continue;
    }
    eventfd_t ignored = 0;
    eventfd_read(wake_.get(), &ignored);
  }
}

absl::Status RingReader::consume() {
  const int result = ring_buffer__consume(ring_.get());
  behind_ = result == kEnough;
  if (result >= 0 || result == kEnough || result == -EINTR) return absl::OkStatus();
  return absl::DataLossError(fmt::format("cannot read the ring: {}", strerror(-result)));
}

int RingReader::on_sample(void* self, void* data, size_t size) {
  auto& reader = *static_cast<RingReader*>(self);
  reader.sink_->on_record({static_cast<const std::byte*>(data), size});
  return ++reader.delivered_ < kBatch ? 0 : kEnough;
}

}  // namespace picket
