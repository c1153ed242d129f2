// Another program, run for a test: started, watched through its pidfd, talked to over pipes, killed
// when the test lets go. Owner: the thread that started it (its death ends the program too, so a
// crashed test leaves nothing behind). Errors: a Status that names the program and what was
// attempted.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/patience.h"

namespace picket::test {

// No step of a test takes this long on a machine that works; what waits for an event gives up after
// it.
inline const std::chrono::seconds kDeadline{60 * patience()};

// A file descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read, write;
};
absl::StatusOr<Pipe> make_pipe();

struct Command {
  std::vector<std::string> argv;
  int in = -1, out = -1, err = -1;  // -1: /dev/null
  // Runs it in a mount namespace of its own in which /sys/fs/cgroup is cgroup v2 and nothing else,
  // so that a container runtime behaves as on a pure v2 machine and touches no v1 hierarchy.
  bool cgroup2_view = false;
  // Mounted in a mount namespace of its own before the program starts; gone with its last process.
  struct Overlay {
    std::string options, target;
  };
  std::optional<Overlay> overlay = std::nullopt;
  // Ends with the thread that started it. Not for a runtime: its children belong to the container.
  bool dies_with_us = true;
};

// Reads a pipe by whole lines.
class LineReader {
 public:
  explicit LineReader(Fd fd) : fd_(std::move(fd)) {}
  // nullopt: the writer has closed, or the deadline has passed.
  std::optional<std::string> next(std::chrono::steady_clock::time_point deadline);
  bool closed() const { return closed_; }

 private:
  Fd fd_;
  std::string buffer_;
  bool closed_ = false;
};

class Subprocess {
 public:
  static absl::StatusOr<std::unique_ptr<Subprocess>> start(const Command& command);
  ~Subprocess();  // kills and reaps
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  bool running_after(std::chrono::milliseconds pause);  // false as soon as it has ended
  // The exit code, 128 + N when signal N ended it.
  absl::StatusOr<int> wait(std::chrono::milliseconds timeout = kDeadline);

 private:
  Subprocess(pid_t pid, Fd pidfd, std::string name);

  pid_t pid_;
  Fd pidfd_;
  std::string name_;
  std::optional<int> exit_code_;
};

struct ProgramResult {
  int exit_code = 0;
  std::string out, err;
};

// Runs it to its end. `command.out` and `command.err` are replaced by pipes.
absl::StatusOr<ProgramResult> run_program(Command command,
                                          std::chrono::milliseconds timeout = kDeadline);
// The same, and an exit code other than 0 is an error that carries what the program said.
absl::StatusOr<std::string> output_of(std::vector<std::string> argv);

absl::StatusOr<std::string> read_file(const std::string& path);
absl::Status write_file(const std::string& path, std::string_view text);

}  // namespace picket::test
