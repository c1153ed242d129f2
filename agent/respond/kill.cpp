#include "agent/respond/kill.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <vector>

namespace picket {
namespace {

class PidFd {
 public:
  explicit PidFd(uint32_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  PidFd(const PidFd&) = delete;
  PidFd& operator=(const PidFd&) = delete;
  ~PidFd() {
    if (fd_ >= 0) close(fd_);
  }
  bool valid() const { return fd_ >= 0; }
  bool send(int signal) const {
    return syscall(SYS_pidfd_send_signal, fd_, signal, nullptr, 0) == 0;
  }

 private:
  int fd_;
};

// After SIGSTOP a fork that was already under way still completes; once the process is seen stopped
// (or asleep where it cannot fork, or dead) its list of children is final.
void wait_until_still(const CgroupFs& cgroups, uint32_t pid) {
  constexpr std::chrono::milliseconds kLongest{5};
  const auto end = std::chrono::steady_clock::now() + kLongest;
  while (std::chrono::steady_clock::now() < end) {
    const auto stat = cgroups.stat(pid);
    if (!stat || stat->state == 'T' || stat->state == 't' || stat->state == 'Z' ||
        stat->state == 'X')
      return;
    sched_yield();
  }
}

}  // namespace

absl::StatusOr<KillCount> kill_subtree(const Verdict& verdict, const CgroupFs& cgroups,
                                       const Guard& guard,
                                       const std::function<void()>& on_first_signal) {
  const ProcessKey root = verdict.target.process;
  const uint64_t tick_ns = 1'000'000'000U / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  KillCount count;
  std::vector<ProcessKey> pending{root};
  pending.insert(pending.end(), verdict.target.descendants.begin(),
                 verdict.target.descendants.end());
  std::set<ProcessKey> done;
  for (size_t next = 0; next < pending.size(); ++next) {
    const ProcessKey process = pending[next];
    if (!done.insert({process.pid, process.start_ns / tick_ns}).second) continue;
    const PidFd pidfd(
        process.pid);  // opened before the check: the pid cannot change hands between the two
    const absl::Status allowed = guard.admit_process(verdict, process);
    if (!allowed.ok()) {
      if (process != root) continue;
      if (!absl::IsNotFound(allowed)) return allowed;
      count.had_ended = true;
      continue;
    }
    if (!pidfd.valid()) continue;
    pidfd.send(SIGSTOP);
    wait_until_still(cgroups, process.pid);
    const std::vector<uint32_t> children = cgroups.children(process.pid);
    if (!pidfd.send(SIGKILL)) {
      if (errno == ESRCH) continue;
      return absl::InternalError(
          fmt::format("SIGKILL to process {}: {}", process.pid, strerror(errno)));
    }
    if (count.processes++ == 0 && on_first_signal) on_first_signal();
    for (const uint32_t child : children) {
      if (const auto stat = cgroups.stat(child))
        pending.push_back({child, stat->start_ticks * tick_ns});
    }
  }
  return count;
}

}  // namespace picket
