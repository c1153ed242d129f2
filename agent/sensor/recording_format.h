// The bytes of a .pkr file, for its writer and its reader (docs/recording.md). Little endian, as
// every supported node is. Constants and plain structs: any thread. Nothing here fails; what makes
// a file damaged is in RecordingDamage.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace picket {

static_assert(std::endian::native == std::endian::little);

// The first byte is no text, the line ends show a transfer that changed them.
inline constexpr std::array<unsigned char, 8> kRecordingMagic = {0x89, 'P',  'K',  'R',
                                                                 '\r', '\n', 0x1a, '\n'};
inline constexpr uint16_t kRecordingVersion = 1;
inline constexpr size_t kRecordingKernelMax = 128;
inline constexpr size_t kRecordingIdentityMax = 256 * 1024;

// At the front of the file; the kernel's release follows, then XXH3 of both, 8 bytes.
struct RecordingHeader {
  std::array<unsigned char, 8> magic;
  uint16_t version;
  uint16_t abi;           // PK_ABI of the records
  uint32_t kernel_bytes;  // of the release
  uint64_t wall_minus_boot_ns;
};
static_assert(sizeof(RecordingHeader) == 24);

enum class FrameKind : uint32_t {
  record = 1,    // one raw record of the ring
  identity = 2,  // who a workspace is, or why that is not known: JSON, opaque here
  end = 3,       // the writer closed the file: number of frames before it, 8 bytes
};

// In front of each frame's payload; `checksum` is XXH3 of the payload, seeded with kind and size.
struct FrameHeader {
  FrameKind kind;
  uint32_t size;
  uint64_t checksum;
};
static_assert(sizeof(FrameHeader) == 16);

uint64_t frame_checksum(FrameKind kind, std::span<const std::byte> payload);
uint64_t header_checksum(const RecordingHeader& header, std::string_view kernel);

struct RecordingInfo {
  uint64_t wall_minus_boot_ns = 0;  // modulo 2^64: wall clock = record time + this
  std::string kernel;               // release
};

// Why a file was refused, or where reading it had to stop.
enum class RecordingDamage {
  none,
  unreadable,  // the operating system's error is in the message
  foreign,     // not a recording
  version,     // of a format that this program does not know
  abi,         // records of another layout
  bad_header,
  truncated,
  bad_checksum,
  bad_frame,  // unknown kind, or a size that cannot be
  kEnd
};
std::string_view to_string(RecordingDamage damage);

}  // namespace picket
