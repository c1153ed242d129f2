#include <fmt/format.h>

#include "agent/sensor/recording.h"

namespace picket {
namespace {

constexpr size_t kRecordsPerPoll = 256;

}  // namespace

RecordingSource::RecordingSource(std::filesystem::path path, IdentitySink identities)
    : path_(std::move(path)), identities_(std::move(identities)) {}

absl::Status RecordingSource::start() {
  absl::StatusOr<RecordingReader> reader = RecordingReader::open(path_);
  if (!reader.ok()) {
    damage_ = RecordingDamage::unreadable;
    return reader.status();
  }
  absl::StatusOr<RecordingInfo> info = reader->read_header();
  damage_ = reader->damage();
  if (!info.ok()) return info.status();
  info_ = *std::move(info);
  reader_ = *std::move(reader);
  return absl::OkStatus();
}

absl::StatusOr<size_t> RecordingSource::poll(EventSink& sink, std::chrono::milliseconds) {
  if (!reader_)
    return absl::FailedPreconditionError(
        fmt::format("recording {} was not started", path_.string()));
  size_t delivered = 0;
  while (end_.ok() && delivered < kRecordsPerPoll) {
    const auto frame = reader_->next();
    if (!frame.ok()) {
      end_ = frame.status();
      damage_ = reader_->damage();
    } else if (!frame->has_value()) {
      end_ = absl::OutOfRangeError(fmt::format("recording {} has ended", path_.string()));
    } else if ((*frame)->kind == FrameKind::record) {
      sink.on_record((*frame)->payload);
      ++delivered;
    } else if (identities_) {
      const auto payload = (*frame)->payload;
      identities_({reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
  }
  if (delivered == 0 && !end_.ok()) return end_;
  return delivered;
}

}  // namespace picket
