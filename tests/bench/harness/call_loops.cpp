#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/bench/harness/loops.h"
#include "tests/support/programs/ring.h"

namespace picket::bench {

int names(uint64_t count) {
  char folder[] = "/tmp/picket-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return errno;
  const std::string first = std::string(folder) + "/first",
                    second = std::string(folder) + "/second";
  int error = 0;
  for (uint64_t i = 0; i < count && error == 0; ++i)
    if (mkdir(first.c_str(), 0700) != 0 || rename(first.c_str(), second.c_str()) != 0 ||
        rmdir(second.c_str()) != 0)
      error = errno;
  rmdir(folder);
  return error;
}

int standard_input(uint64_t count) {
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int before = fcntl(0, F_DUPFD_CLOEXEC, 3);
  int error = file < 0 || before < 0 ? errno : 0;
  for (uint64_t i = 0; i < count && error == 0; ++i)
    if (dup2(file, 0) != 0) error = errno;
  if (before >= 0) dup2(before, 0), close(before);
  if (file >= 0) close(file);
  return error;
}

// One ring for all of a worker's bursts.
int ring_requests(uint64_t count) {
  static ring shared{};
  static const bool made = make_ring(&shared) != 0;
  if (!made) return ENOSYS;
  io_uring_sqe nothing{};
  nothing.opcode = IORING_OP_NOP;
  for (uint64_t i = 0; i < count; ++i)
    if (perform(&shared, &nothing) != 0) return EIO;
  return 0;
}

int signals(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    if (kill(getpid(), SIGWINCH) != 0) return errno;
  return 0;
}

int system_calls(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    if (unshare(0) != 0) return errno;
  return 0;
}

int refused_opens(uint64_t count) {
  constexpr char kName[] = "/tmp/no-such-folder/with/a/name/as/long/as/those/of/projects";
  for (uint64_t i = 0; i < count; ++i)
    if (open(kName, O_WRONLY | O_CLOEXEC) >= 0) return EEXIST;
  return 0;
}

}  // namespace picket::bench
