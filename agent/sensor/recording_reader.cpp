#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "agent/sensor/recording.h"
#include "bpf/picket/events.h"

namespace picket {

absl::StatusOr<RecordingReader> RecordingReader::open(const std::filesystem::path& path) {
  RecordingFile file(std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) {
    return absl::NotFoundError(
        fmt::format("cannot open recording {}: {}", path.string(), std::strerror(errno)));
  }
  return RecordingReader(std::move(file), path.string());
}

absl::StatusOr<RecordingInfo> RecordingReader::read_header() {
  RecordingHeader header{};
  const size_t got = read(&header, sizeof header);
  const bool magic = got >= kRecordingMagic.size() && header.magic == kRecordingMagic;
  if (got < sizeof header && std::ferror(file_.get())) return short_read("the header");
  if (!magic) return damaged(RecordingDamage::foreign, 0, "this is not a recording");
  if (got < sizeof header) return short_read("the header");
  if (header.version != kRecordingVersion) {
    return damaged(RecordingDamage::version, offsetof(RecordingHeader, version),
                   fmt::format("format version {} is unknown, this program reads {}",
                               header.version, kRecordingVersion));
  }
  if (header.kernel_bytes > kRecordingKernelMax) {
    return damaged(RecordingDamage::bad_header, offsetof(RecordingHeader, kernel_bytes),
                   "the kernel's release is too long");
  }
  RecordingInfo info{header.wall_minus_boot_ns, std::string(header.kernel_bytes, '\0')};
  if (read(info.kernel.data(), info.kernel.size()) < info.kernel.size())
    return short_read("the kernel's release");
  uint64_t checksum = 0;
  if (read(&checksum, sizeof checksum) < sizeof checksum)
    return short_read("the header's checksum");
  if (checksum != header_checksum(header, info.kernel)) {
    return damaged(RecordingDamage::bad_header, 0, "the header does not match its checksum");
  }
  if (header.abi != PK_ABI) {  // after the checksum: a flipped bit is no foreign layout
    return damaged(RecordingDamage::abi, offsetof(RecordingHeader, abi),
                   fmt::format("records of ABI {}, this program reads {}", header.abi, PK_ABI));
  }
  return info;
}

absl::StatusOr<std::optional<RecordingReader::Frame>> RecordingReader::next() {
  const uint64_t at = offset_;
  FrameHeader header{};
  if (read(&header, sizeof header) < sizeof header)
    return short_read("a frame's header, or the end mark");
  size_t max = 0;
  switch (header.kind) {
    case FrameKind::record:
      max = PK_RECORD_MAX;
      break;
    case FrameKind::identity:
      max = kRecordingIdentityMax;
      break;
    case FrameKind::end:
      max = sizeof frames_;
      break;
  }
  if (header.size > max || (header.kind == FrameKind::end && header.size != max)) {
    return damaged(RecordingDamage::bad_frame, at,
                   fmt::format("kind {}, {} bytes cannot be", static_cast<uint32_t>(header.kind),
                               header.size));
  }
  payload_.resize(header.size);
  if (read(payload_.data(), payload_.size()) < payload_.size()) return short_read("a frame");
  if (header.checksum != frame_checksum(header.kind, payload_)) {
    return damaged(RecordingDamage::bad_checksum, at, "the frame does not match its checksum");
  }
  if (header.kind != FrameKind::end) {
    ++frames_;
    return Frame{header.kind, payload_};
  }
  uint64_t expected = 0;
  std::memcpy(&expected, payload_.data(), sizeof expected);
  if (expected != frames_) {
    return damaged(RecordingDamage::truncated, at,
                   fmt::format("{} of {} frames are missing", expected - frames_, expected));
  }
  if (std::fgetc(file_.get()) != EOF)
    return damaged(RecordingDamage::bad_frame, offset_, "something follows the end mark");
  return std::nullopt;
}

size_t RecordingReader::read(void* bytes, size_t size) {
  const size_t got = size == 0 ? 0 : std::fread(bytes, 1, size, file_.get());
  offset_ += got;
  return got;
}

absl::Status RecordingReader::short_read(std::string_view what) {
  if (std::ferror(file_.get())) {
    return damaged(RecordingDamage::unreadable, offset_,
                   fmt::format("cannot read {}: {}", what, std::strerror(errno)));
  }
  return damaged(RecordingDamage::truncated, offset_, fmt::format("the file ends inside {}", what));
}

absl::Status RecordingReader::damaged(RecordingDamage damage, uint64_t at,
                                      std::string_view detail) {
  damage_ = damage;
  return absl::DataLossError(
      fmt::format("recording {}, byte {}: {} ({})", name_, at, detail, to_string(damage)));
}

}  // namespace picket
