#include "tests/bench/harness/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace picket::bench {
namespace {

[[noreturn]] void serve(int socket, const WorkerOptions& options) {
  Cost cost;
  if (!options.cgroup.empty()) cost.error = enter_cgroup(options.cgroup);
  if (options.own_network && cost.error == 0) cost.error = enter_own_network();
  Job job;
  while (send(socket, &cost, sizeof cost, MSG_NOSIGNAL) == sizeof cost &&
         recv(socket, &job, sizeof job, 0) == sizeof job) {
    cost = carry_out(job);
  }
  _exit(0);
}

}  // namespace

int enter_cgroup(const std::string& cgroup) {
  const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  const int error = procs < 0 || write(procs, "0", 1) != 1 ? errno : 0;
  if (procs >= 0) close(procs);
  return error;
}

int enter_own_network() {
  if (unshare(CLONE_NEWNET) != 0) return errno;
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) return errno;
  ifreq loopback{};
  strncpy(loopback.ifr_name, "lo", sizeof loopback.ifr_name - 1);
  loopback.ifr_flags = IFF_UP;
  const int error = ioctl(control, SIOCSIFFLAGS, &loopback) != 0 ? errno : 0;
  close(control);
  return error;
}

absl::StatusOr<Worker> Worker::start(const WorkerOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::InternalError(fmt::format("socketpair: {}", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    return absl::InternalError(fmt::format("fork: {}", strerror(error)));
  }
  if (pid == 0) {
    close(ends[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    serve(ends[1], options);
  }
  close(ends[1]);
  Worker worker(pid, ends[0]);
  Cost ready;
  if (recv(worker.socket_, &ready, sizeof ready, 0) != sizeof ready || ready.error != 0) {
    return absl::InternalError(
        fmt::format("start a worker in {}: {}", options.cgroup, strerror(ready.error)));
  }
  return worker;
}

Worker::Worker(Worker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), socket_(std::exchange(other.socket_, -1)) {}

Worker::~Worker() {
  if (pid_ < 0) return;
  close(socket_);
  waitpid(pid_, nullptr, 0);
}

absl::StatusOr<Cost> Worker::run(const Job& job) const {
  Cost cost;
  if (send(socket_, &job, sizeof job, MSG_NOSIGNAL) != sizeof job ||
      recv(socket_, &cost, sizeof cost, 0) != sizeof cost) {
    return absl::InternalError(fmt::format("worker {} has ended", pid_));
  }
  if (cost.error != 0) {
    return absl::InternalError(fmt::format("worker {}: {}", pid_, strerror(cost.error)));
  }
  return cost;
}

}  // namespace picket::bench
