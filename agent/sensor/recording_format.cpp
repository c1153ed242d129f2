#include "agent/sensor/recording_format.h"

#include <xxhash.h>

#include <cstring>

namespace picket {

uint64_t frame_checksum(FrameKind kind, std::span<const std::byte> payload) {
  const uint64_t seed = uint64_t{static_cast<uint32_t>(kind)} << 32 | payload.size();
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

uint64_t header_checksum(const RecordingHeader& header, std::string_view kernel) {
  const uint64_t seed = XXH3_64bits(&header, sizeof header);
  return XXH3_64bits_withSeed(kernel.data(), kernel.size(), seed);
}

std::string_view to_string(RecordingDamage damage) {
  switch (damage) {
    case RecordingDamage::none:
      return "none";
    case RecordingDamage::unreadable:
      return "unreadable";
    case RecordingDamage::foreign:
      return "foreign";
    case RecordingDamage::version:
      return "version";
    case RecordingDamage::abi:
      return "abi";
    case RecordingDamage::bad_header:
      return "bad_header";
    case RecordingDamage::truncated:
      return "truncated";
    case RecordingDamage::bad_checksum:
      return "bad_checksum";
    case RecordingDamage::bad_frame:
      return "bad_frame";
    case RecordingDamage::kEnd:
      break;
  }
  return "unknown";
}

}  // namespace picket
