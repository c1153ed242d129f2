// Calls of the 32-bit interface from a 64-bit program, as an attacker makes them. Usable after
// fork(). Texts and structures that they point to must lie in the first 4 GiB.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "tests/live/live_sensor.h"

namespace picket::live {

inline long int80(long number, long first = 0, long second = 0, long third = 0) {
  long result = number;
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(first), "c"(second), "d"(third)
               : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(result);
}

// Some kernels (and hypervisors) take no 32-bit calls at all: then there is nothing that could
// escape.
inline bool takes_32bit_calls() {
  Child child = spawn([] { return int80(20 /* getpid */) == getpid() ? 0 : 1; });
  return child.wait() == 0;
}

// Memory that such a call can reach.
class LowMemory {
 public:
  LowMemory()
      : at_(static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))) {}
  ~LowMemory() { munmap(at_, kSize); }
  LowMemory(const LowMemory&) = delete;
  LowMemory& operator=(const LowMemory&) = delete;

  // Its address there.
  long put(const void* bytes, size_t size) {
    char* to = at_ + used_;
    std::memcpy(to, bytes, size);
    used_ += (size + 15) & ~size_t{15};
    return static_cast<long>(reinterpret_cast<uintptr_t>(to));
  }
  long text(std::string_view text) {
    const std::string ended(text);
    return put(ended.c_str(), ended.size() + 1);
  }

 private:
  static constexpr size_t kSize = 1 << 16;
  char* at_;
  size_t used_ = 0;
};

}  // namespace picket::live
