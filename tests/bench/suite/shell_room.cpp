#include "tests/bench/suite/shell_room.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include "tests/bench/harness/worker.h"

namespace picket::bench {
namespace {

constexpr size_t kPage = 4096;

absl::Status failed(std::string_view what) {
  return absl::InternalError(fmt::format("{}: {}", what, strerror(errno)));
}

int listen_on(sockaddr_in& address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool ready = bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                     listen(listener, 16) == 0 &&
                     getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  return ready ? listener : -1;
}

[[noreturn]] void become_shell(int orders, const sockaddr_in& address,
                               volatile uint64_t* connect_ns) {
  char byte = 's';
  const int peer = socket(AF_INET, SOCK_STREAM, 0);
  // The message carries this process's id, in the reader's numbering.
  if (peer < 0 || send(orders, &byte, 1, 0) != 1 || recv(orders, &byte, 1, 0) != 1) _exit(1);
  *connect_ns = wall_ns();
  if (connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) _exit(2);
  for (int target = 0; target < 3; ++target) dup2(peer, target);
  close(peer);
  execl("/bin/sh", "sh", static_cast<char*>(nullptr));
  _exit(127);
}

// PID 1 of the room: one shell at a time, its connection waits in the listener's queue.
[[noreturn]] void keep(int orders, volatile uint64_t* connect_ns) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sockaddr_in address;
  const int listener = listen_on(address);
  char byte = listener >= 0 ? 'r' : 'x';
  send(orders, &byte, 1, 0);
  while (recv(orders, &byte, 1, 0) == 1) {
    const pid_t shell = fork();
    if (shell == 0) become_shell(orders, address, connect_ns);
    if (shell < 0 || waitpid(shell, nullptr, 0) != shell) break;
    pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 0) > 0) close(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (send(orders, &byte, 1, MSG_NOSIGNAL) != 1) break;
  }
  _exit(0);
}

[[noreturn]] void open_room(int orders, const std::string& cgroup, volatile uint64_t* connect_ns) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (enter_cgroup(cgroup) != 0 || unshare(CLONE_NEWNS | CLONE_NEWPID) != 0 ||
      enter_own_network() != 0) {
    _exit(1);
  }
  const pid_t first = fork();
  if (first == 0) keep(orders, connect_ns);
  close(orders);
  waitpid(first, nullptr, 0);
  _exit(0);
}

}  // namespace

uint64_t wall_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

absl::StatusOr<ShellRoom> ShellRoom::open(const std::string& cgroup) {
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return failed("map a shared page");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
  const int on = 1;
  setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  auto* connect_ns = static_cast<volatile uint64_t*>(page);
  const pid_t keeper = fork();
  if (keeper < 0) return failed("fork");
  if (keeper == 0) {
    close(ends[0]);
    open_room(ends[1], cgroup, connect_ns);
  }
  close(ends[1]);
  ShellRoom room(keeper, test::Fd(ends[0]), connect_ns);
  char ready = 0;
  if (recv(room.socket_.get(), &ready, 1, 0) != 1 || ready != 'r') {
    return absl::InternalError("open a room for reverse shells: its namespaces or its listener");
  }
  return room;
}

ShellRoom::ShellRoom(ShellRoom&& other) noexcept
    : keeper_(std::exchange(other.keeper_, -1)),
      socket_(std::move(other.socket_)),
      connect_ns_(std::exchange(other.connect_ns_, nullptr)) {}

ShellRoom::~ShellRoom() {
  if (keeper_ < 0) return;
  socket_.reset();
  kill(keeper_, SIGKILL);  // the room's first process dies with it, and the room with that
  waitpid(keeper_, nullptr, 0);
  munmap(const_cast<uint64_t*>(connect_ns_), kPage);
}

absl::StatusOr<Shell> ShellRoom::start() {
  char byte = 'g';
  if (send(socket_.get(), &byte, 1, MSG_NOSIGNAL) != 1) return failed("ask for a shell");
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC) != 1) return failed("hear from a shell");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) {
    return absl::InternalError("a shell's message carries no process id");
  }
  ucred sender{};
  memcpy(&sender, CMSG_DATA(header), sizeof sender);
  Shell shell{.pid = sender.pid,
              .handle = test::Fd(static_cast<int>(syscall(SYS_pidfd_open, sender.pid, 0)))};
  if (!shell.handle.valid()) return failed("watch a shell");
  if (send(socket_.get(), &byte, 1, MSG_NOSIGNAL) != 1) return failed("let a shell connect");
  return shell;
}

absl::StatusOr<uint64_t> ShellRoom::finish(Shell& shell, int wait_ms) {
  pollfd end{.fd = shell.handle.get(), .events = POLLIN, .revents = 0};
  uint64_t ended_ns = 0;
  if (poll(&end, 1, wait_ms) > 0) {
    ended_ns = wall_ns();
  } else {
    syscall(SYS_pidfd_send_signal, shell.handle.get(), SIGKILL, nullptr, 0);
  }
  char byte = 0;
  if (recv(socket_.get(), &byte, 1, 0) != 1) return failed("see a shell's end");
  shell.connect_ns = *connect_ns_;
  return ended_ns;
}

}  // namespace picket::bench
