#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace picket::test {
namespace {

using std::chrono::steady_clock;

constexpr char kCgroupMount[] = "/sys/fs/cgroup";
constexpr long kCgroup2Magic = 0x63677270;

absl::Status errno_status(std::string_view attempted) {
  return absl::InternalError(fmt::format("{}: {}", attempted, std::strerror(errno)));
}

int milliseconds_until(steady_clock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count()) + 1;
}

// From here to exec: only what is safe in a child of a process with threads.
[[noreturn]] void die_in_child(const char* attempted) {
  (void)!write(STDERR_FILENO, attempted, std::strlen(attempted));
  (void)!write(STDERR_FILENO, "\n", 1);
  _exit(126);
}

void show_only_cgroup2() {
  struct statfs fs {};
  if (statfs(kCgroupMount, &fs) == 0 && fs.f_type == kCgroup2Magic) return;
  if (umount2(kCgroupMount, MNT_DETACH) != 0) die_in_child("cannot unmount /sys/fs/cgroup");
  if (mount("none", kCgroupMount, "cgroup2", 0, nullptr) != 0) die_in_child("cannot mount cgroup2");
}

void enter_own_mounts(bool cgroup2_view, const std::optional<Command::Overlay>& overlay) {
  if (unshare(CLONE_NEWNS) != 0) die_in_child("unshare of the mount namespace failed");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    die_in_child("cannot cut mount propagation");
  if (cgroup2_view) show_only_cgroup2();
  if (overlay &&
      mount("overlay", overlay->target.c_str(), "overlay", 0, overlay->options.c_str()) != 0)
    die_in_child("cannot mount the overlay of the root file system");
}

void place_fd(int fd, int target) {
  int source = fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
  if (source < 0) die_in_child("cannot open /dev/null");
  if (source == target) {
    fcntl(target, F_SETFD, 0);
  } else if (dup2(source, target) < 0) {
    die_in_child("cannot place a standard descriptor");
  }
}

[[noreturn]] void run_child(const Command& command, char* const* argv, pid_t parent) {
  place_fd(command.in, STDIN_FILENO);
  place_fd(command.out, STDOUT_FILENO);
  place_fd(command.err, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (command.dies_with_us) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);  // it died before the line above
  }
  if (command.cgroup2_view || command.overlay)
    enter_own_mounts(command.cgroup2_view, command.overlay);
  execvp(argv[0], argv);
  die_in_child("cannot execute the program");
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() { return std::exchange(fd_, -1); }

void Fd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_status("make a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::optional<std::string> LineReader::next(steady_clock::time_point deadline) {
  for (;;) {
    if (size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (closed_) return std::nullopt;
    pollfd waiting{fd_.get(), POLLIN, 0};
    int ready = poll(&waiting, 1, milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    char bytes[16384];
    ssize_t got = read(fd_.get(), bytes, sizeof bytes);
    if (got > 0)
      buffer_.append(bytes, static_cast<size_t>(got));
    else
      closed_ = true;
  }
}

Subprocess::Subprocess(pid_t pid, Fd pidfd, std::string name)
    : pid_(pid), pidfd_(std::move(pidfd)), name_(std::move(name)) {}

absl::StatusOr<std::unique_ptr<Subprocess>> Subprocess::start(const Command& command) {
  std::vector<char*> argv;
  for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return errno_status(fmt::format("fork for {}", command.argv[0]));
  if (pid == 0) run_child(command, argv.data(), parent);
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    absl::Status failed = errno_status(fmt::format("watch {}", command.argv[0]));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return failed;
  }
  return std::unique_ptr<Subprocess>(new Subprocess(pid, std::move(pidfd), command.argv[0]));
}

Subprocess::~Subprocess() {
  if (exit_code_) return;
  signal(SIGKILL);
  (void)wait().status();
}

void Subprocess::signal(int number) const {
  if (!exit_code_) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

bool Subprocess::running_after(std::chrono::milliseconds pause) {
  if (exit_code_) return false;
  pollfd waiting{pidfd_.get(), POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(pause.count())) == 0;
}

absl::StatusOr<int> Subprocess::wait(std::chrono::milliseconds timeout) {
  if (exit_code_) return *exit_code_;
  auto deadline = steady_clock::now() + timeout;
  pollfd waiting{pidfd_.get(), POLLIN, 0};
  int ready;
  do ready = poll(&waiting, 1, milliseconds_until(deadline));
  while (ready < 0 && errno == EINTR);
  if (ready == 0)
    return absl::DeadlineExceededError(
        fmt::format("{} (pid {}) did not end within {} ms", name_, pid_, timeout.count()));
  int state = 0;
  if (waitpid(pid_, &state, 0) != pid_) return errno_status(fmt::format("wait for {}", name_));
  exit_code_ = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return *exit_code_;
}

absl::StatusOr<ProgramResult> run_program(Command command, std::chrono::milliseconds timeout) {
  auto out = make_pipe();
  if (!out.ok()) return out.status();
  auto err = make_pipe();
  if (!err.ok()) return err.status();
  command.out = out->write.get();
  command.err = err->write.get();
  auto program = Subprocess::start(command);
  if (!program.ok()) return program.status();
  out->write.reset();
  err->write.reset();

  ProgramResult result;
  auto deadline = steady_clock::now() + timeout;
  pollfd waiting[2] = {{out->read.get(), POLLIN, 0}, {err->read.get(), POLLIN, 0}};
  std::string* texts[2] = {&result.out, &result.err};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    int ready = poll(waiting, 2, milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) break;  // wait() below says so
    for (int i = 0; i < 2; ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      char bytes[16384];
      ssize_t got = read(waiting[i].fd, bytes, sizeof bytes);
      if (got > 0)
        texts[i]->append(bytes, static_cast<size_t>(got));
      else
        waiting[i].fd = -1;
    }
  }
  auto code = (*program)->wait(std::chrono::milliseconds(milliseconds_until(deadline)));
  if (!code.ok()) return code.status();
  result.exit_code = *code;
  return result;
}

absl::StatusOr<std::string> output_of(std::vector<std::string> argv) {
  std::string words = fmt::format("{}", fmt::join(argv, " "));
  auto result = run_program({.argv = std::move(argv)});
  if (!result.ok()) return result.status();
  if (result->exit_code != 0)
    return absl::InternalError(
        fmt::format("{} ended with {}: {}{}", words, result->exit_code, result->out, result->err));
  return std::move(result->out);
}

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("open {} for reading", path));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

absl::Status write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return absl::InternalError(fmt::format("write {}", path));
  return absl::OkStatus();
}

}  // namespace picket::test
