// Reverse shells, one at a time, in a room of their own: the watched cgroup, own PID, mount and
// network namespaces, a listener on its own loopback. The shell is given no command. Owner: the
// benchmark's only thread. Errors: a Status; every process of the room ends with it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tests/support/subprocess.h"

namespace picket::bench {

struct Shell {
  pid_t pid = -1;           // on the machine
  test::Fd handle = {};     // readable once it has ended
  uint64_t connect_ns = 0;  // wall clock just before it called connect
};

class ShellRoom {
 public:
  static absl::StatusOr<ShellRoom> open(const std::string& cgroup);
  ShellRoom(ShellRoom&& other) noexcept;
  ShellRoom& operator=(ShellRoom&&) = delete;
  ~ShellRoom();

  // Returns as soon as the shell has been told to connect; connect_ns is set by finish().
  absl::StatusOr<Shell> start();
  // Waits for its end, at most `wait_ms`, then ends it; the wall clock of its end, 0 when it had to
  // be ended.
  absl::StatusOr<uint64_t> finish(Shell& shell, int wait_ms);

 private:
  ShellRoom(pid_t keeper, test::Fd socket, volatile uint64_t* connect_ns)
      : keeper_(keeper), socket_(std::move(socket)), connect_ns_(connect_ns) {}
  pid_t keeper_;
  test::Fd socket_;
  volatile uint64_t* connect_ns_;  // a page shared with the shells
};

uint64_t wall_ns();

}  // namespace picket::bench
