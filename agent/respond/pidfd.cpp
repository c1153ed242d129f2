#include "agent/respond/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace picket {

PidFd::PidFd(uint32_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

PidFd::~PidFd() {
  if (fd_ >= 0) close(fd_);
}

bool PidFd::send(int signal) const {
  return syscall(SYS_pidfd_send_signal, fd_, signal, nullptr, 0) == 0;
}

bool PidFd::has_ended(std::chrono::milliseconds wait) const {
  if (fd_ < 0) return true;
  pollfd end{fd_, POLLIN, 0};
  return poll(&end, 1, static_cast<int>(wait.count())) > 0;
}

}  // namespace picket
