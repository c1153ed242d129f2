#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/sensor/recording.h"
#include "bpf/picket/events.h"

namespace picket {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::create(
    const std::filesystem::path& path, const RecordingInfo& info, uint64_t max_bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  RecordingFile file(fd < 0 ? nullptr : fdopen(fd, "wb"));
  if (file == nullptr) {
    const std::string reason = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return absl::UnavailableError(
        fmt::format("cannot create recording {}: {}", path.string(), reason));
  }
  std::setvbuf(file.get(), nullptr, _IOFBF, kBufferBytes);
  std::unique_ptr<RecordingWriter> writer(
      new RecordingWriter(path.string(), std::move(file), max_bytes));
  const std::string_view kernel = std::string_view(info.kernel).substr(0, kRecordingKernelMax);
  const RecordingHeader header{.magic = kRecordingMagic,
                               .version = kRecordingVersion,
                               .abi = PK_ABI,
                               .kernel_bytes = static_cast<uint32_t>(kernel.size()),
                               .wall_minus_boot_ns = info.wall_minus_boot_ns};
  const uint64_t checksum = header_checksum(header, kernel);
  writer->write(&header, sizeof header);
  writer->write(kernel.data(), kernel.size());
  writer->write(&checksum, sizeof checksum);
  if (absl::Status flushed = writer->flush(); !flushed.ok()) return flushed;
  return writer;
}

RecordingWriter::RecordingWriter(std::string name, RecordingFile file, uint64_t max_bytes)
    : name_(std::move(name)), file_(std::move(file)), max_bytes_(max_bytes) {}

RecordingWriter::~RecordingWriter() { close().IgnoreError(); }

void RecordingWriter::on_record(std::span<const std::byte> record) {
  if (record.size() > PK_RECORD_MAX) {
    ++refused_;
    return;
  }
  write_frame(FrameKind::record, record);
}

void RecordingWriter::on_identity(std::string_view identity) {
  if (identity.size() > kRecordingIdentityMax) {
    ++refused_;
    return;
  }
  write_frame(FrameKind::identity, std::as_bytes(std::span(identity)));
}

absl::Status RecordingWriter::flush() {
  if (file_ && status_.ok() && std::fflush(file_.get()) != 0) fail("write");
  return status_;
}

absl::Status RecordingWriter::close() {
  if (file_ == nullptr) return status_;
  if (status_.ok()) {
    const FrameHeader header{FrameKind::end, sizeof frames_,
                             frame_checksum(FrameKind::end, std::as_bytes(std::span(&frames_, 1)))};
    write(&header, sizeof header);
    write(&frames_, sizeof frames_);
  }
  if (std::fclose(file_.release()) != 0) fail("close");
  return status_;
}

void RecordingWriter::write_frame(FrameKind kind, std::span<const std::byte> payload) {
  // The end mark must still find room, so that a full recording is a complete one.
  constexpr uint64_t kEndBytes = sizeof(FrameHeader) + sizeof(uint64_t);
  const uint64_t needed = sizeof(FrameHeader) + payload.size() + kEndBytes;
  if (file_ == nullptr || !status_.ok() || written_ + needed > max_bytes_) {
    ++refused_;
    return;
  }
  const FrameHeader header{kind, static_cast<uint32_t>(payload.size()),
                           frame_checksum(kind, payload)};
  write(&header, sizeof header);
  write(payload.data(), payload.size());
  if (status_.ok()) {
    ++frames_;
  } else {
    ++refused_;
  }
}

void RecordingWriter::write(const void* bytes, size_t size) {
  if (!status_.ok() || size == 0) return;
  if (std::fwrite(bytes, size, 1, file_.get()) != 1) return fail("write");
  written_ += size;
}

void RecordingWriter::fail(std::string_view attempt) {
  if (!status_.ok()) return;
  status_ = absl::UnavailableError(
      fmt::format("cannot {} recording {}: {}", attempt, name_, std::strerror(errno)));
}

}  // namespace picket
