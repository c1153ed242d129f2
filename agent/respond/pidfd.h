// One process by a descriptor: it can neither change hands nor be mistaken. Owner: whoever opened
// it. Errors: a process that has ended gives an invalid one; send() answers false, with errno.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace picket {

class PidFd {
 public:
  explicit PidFd(uint32_t pid);
  PidFd(PidFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  PidFd& operator=(PidFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~PidFd();

  bool valid() const { return fd_ >= 0; }
  bool send(int signal) const;
  // All its threads have ended, whether it was waited for or not.
  bool has_ended(std::chrono::milliseconds wait = std::chrono::milliseconds(0)) const;

 private:
  int fd_;
};

}  // namespace picket
