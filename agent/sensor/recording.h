// Recordings: what the sensor delivered, kept in a .pkr file (docs/recording.md), and a source that
// delivers it again through the same interface. Identities of workspaces lie between the records,
// where they became known, so that a replay needs neither the container nor the node. Owner: the
// pipeline thread. Errors: a writer stops at the first failed write or at its size bound and counts
// what it no longer takes; a source delivers everything before the damage, then fails with file,
// byte offset and reason.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sensor/recording_format.h"
#include "agent/sensor/source.h"

namespace picket {

struct CloseRecording {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using RecordingFile = std::unique_ptr<std::FILE, CloseRecording>;

class RecordingWriter final : public EventSink {
 public:
  // Replaces an existing file, readable by its owner only. `max_bytes` bounds the file.
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> create(const std::filesystem::path& path,
                                                                 const RecordingInfo& info,
                                                                 uint64_t max_bytes = uint64_t{4}
                                                                                      << 30);
  ~RecordingWriter() override;

  void on_record(std::span<const std::byte> record) override;
  void on_identity(std::string_view identity);  // as identity_to_json() gives it

  absl::Status flush();
  absl::Status close();  // writes the end mark; without it a reader reports the file as truncated

  const absl::Status& status() const { return status_; }
  uint64_t frames() const { return frames_; }
  uint64_t refused() const { return refused_; }  // frames not written: full, failed, or too large

 private:
  RecordingWriter(std::string name, RecordingFile file, uint64_t max_bytes);
  void write_frame(FrameKind kind, std::span<const std::byte> payload);
  void write(const void* bytes, size_t size);
  void fail(std::string_view attempt);

  std::string name_;
  RecordingFile file_;
  uint64_t max_bytes_;
  uint64_t written_ = 0;
  uint64_t frames_ = 0;
  uint64_t refused_ = 0;
  absl::Status status_;
};

// The frames of a recording, one after the other.
class RecordingReader {
 public:
  struct Frame {
    FrameKind kind;
    std::span<const std::byte> payload;  // aligned to 8; valid until the next call
  };

  static absl::StatusOr<RecordingReader> open(const std::filesystem::path& path);
  RecordingReader(RecordingFile file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}

  absl::StatusOr<RecordingInfo> read_header();
  // nullopt: the recording ended as its writer meant it to. After an error there is nothing more to
  // read.
  absl::StatusOr<std::optional<Frame>> next();

  RecordingDamage damage() const { return damage_; }
  uint64_t offset() const { return offset_; }

 private:
  size_t read(void* bytes, size_t size);
  absl::Status short_read(std::string_view what);
  absl::Status damaged(RecordingDamage damage, uint64_t at, std::string_view detail);

  RecordingFile file_;
  std::string name_;
  uint64_t offset_ = 0;
  uint64_t frames_ = 0;
  RecordingDamage damage_ = RecordingDamage::none;
  std::vector<std::byte> payload_;
};

class RecordingSource final : public EventSource {
 public:
  using IdentitySink = std::function<void(std::string_view identity)>;

  explicit RecordingSource(std::filesystem::path path, IdentitySink identities = {});

  absl::Status start() override;  // opens the file and checks its header
  // OutOfRange: the recording has ended. DataLoss: it is damaged; what came before the damage was
  // delivered.
  absl::StatusOr<size_t> poll(EventSink& sink, std::chrono::milliseconds timeout) override;

  const RecordingInfo& info() const { return info_; }
  RecordingDamage damage() const { return damage_; }  // the counted reason

 private:
  std::filesystem::path path_;
  IdentitySink identities_;
  std::optional<RecordingReader> reader_;
  RecordingInfo info_;
  RecordingDamage damage_ = RecordingDamage::none;
  absl::Status end_;  // what every poll answers once the last record was delivered
};

}  // namespace picket
