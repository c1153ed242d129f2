#include "collector/cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace picket {
namespace {

using Clock = std::chrono::steady_clock;

struct OutputPipe {
  explicit OutputPipe(std::string& the_text) : text(the_text) {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) ends = {-1, -1};
  }
  ~OutputPipe() {
    close_end(0);
    close_end(1);
  }
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;

  void close_end(size_t end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
  // False at its end.
  bool read_some() {
    std::array<char, 65536> part;
    const ssize_t size = read(ends[0], part.data(), part.size());
    if (size < 0) return errno == EINTR;
    const size_t room = kProgramOutput - text.size();
    text.append(part.data(), std::min(static_cast<size_t>(size), room));
    return size > 0;
  }

  std::array<int, 2> ends{};
  std::string& text;
};

// Until both are at their end; false: it took too long.
bool read_both(OutputPipe& out, OutputPipe& err, Clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    std::array<pollfd, 2> waits{{{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
    if (waits[0].fd < 0 && waits[1].fd < 0) return true;
    if (left <= 0) return false;
    if (poll(waits.data(), waits.size(), static_cast<int>(left)) < 0 && errno != EINTR)
      return false;
    if (waits[0].revents != 0 && !out.read_some()) out.close_end(0);
    if (waits[1].revents != 0 && !err.read_some()) err.close_end(0);
  }
}

absl::StatusOr<pid_t> spawn(const std::vector<std::string>& argv, int out, int err) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return absl::NotFoundError(fmt::format("run {}: {}", argv.front(), std::strerror(failed)));
  return pid;
}

}  // namespace

absl::StatusOr<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                          std::chrono::milliseconds patience) {
  ProgramOutput output;
  OutputPipe out(output.out), err(output.err);
  const auto pid = spawn(argv, out.ends[1], err.ends[1]);
  if (!pid.ok()) return pid.status();
  out.close_end(1);
  err.close_end(1);
  const bool in_time = read_both(out, err, Clock::now() + patience);
  if (!in_time) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time)
    return absl::DeadlineExceededError(
        fmt::format("{} took more than {} s", argv.front(), patience.count() / 1000));
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace picket
