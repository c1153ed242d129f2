// The input is a .pkr file. A reader ends with the end mark or with a reason, and delivers only
// what it checked.
#include <cstdint>
#include <cstdio>

#include "agent/enrich/identity_json.h"
#include "agent/event/event.h"
#include "agent/sensor/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace picket;
  if (size == 0) return 0;
  RecordingReader reader(RecordingFile(fmemopen(const_cast<uint8_t*>(data), size, "rb")), "input");
  if (!reader.read_header().ok()) {
    if (reader.damage() == RecordingDamage::none) __builtin_trap();
    return 0;
  }
  for (;;) {
    const auto frame = reader.next();
    if (!frame.ok() && reader.damage() == RecordingDamage::none) __builtin_trap();
    if (!frame.ok() || !frame->has_value()) return 0;
    const auto payload = (*frame)->payload;
    if ((*frame)->kind == FrameKind::record) {
      (void)Event::parse(payload);
    } else {
      (void)identity_from_json({reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
  }
}
