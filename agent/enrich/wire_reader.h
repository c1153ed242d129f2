// Reads big-endian integers from bytes that nobody has checked. Past the end every read answers
// zero and the reader is no longer ok(): callers ask once, at the end of a step. Plain value; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace picket {

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  uint8_t u8() { return static_cast<uint8_t>(integer(1)); }
  uint16_t u16() { return static_cast<uint16_t>(integer(2)); }
  uint32_t u24() { return integer(3); }
  uint32_t u32() { return integer(4); }

  std::string_view take(size_t size) {
    if (!ok_ || size > left()) {
      fail();
      return {};
    }
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }
  void skip(size_t size) { take(size); }
  void fail() {
    ok_ = false;
    at_ = bytes_.size();
  }

 private:
  uint32_t integer(size_t width) {
    uint32_t value = 0;
    for (const char byte : take(width)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace picket
