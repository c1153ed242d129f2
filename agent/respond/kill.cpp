#include "agent/respond/kill.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "agent/respond/pidfd.h"

namespace picket {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock;

// Rounds that leave the rest of the workspace alone; who still has living descendants then forks
// faster than it can be looked at.
constexpr int kRoundsUnfrozen = 2;
constexpr int kRounds = 10;
constexpr milliseconds kFreezePatience{1000};

// After SIGSTOP a fork that was already under way still completes; once the process is seen stopped
// (or asleep where it cannot fork, or dead) its list of children is final.
void wait_until_still(const CgroupFs& cgroups, uint32_t pid) {
  constexpr milliseconds kLongest{100};  // on a busy machine it gets no turn before
  const auto end = Time::now() + kLongest;
  while (Time::now() < end) {
    const auto stat = cgroups.stat(pid);
    if (!stat || stat->state == 'T' || stat->state == 't' || stat->state == 'Z' ||
        stat->state == 'X')
      return;
    sched_yield();
  }
}

class Hunt {
 public:
  Hunt(const Verdict& verdict, const KillSurroundings& surroundings)
      : verdict_(verdict), around_(surroundings), end_(Time::now() + surroundings.deadline) {}

  absl::StatusOr<KillCount> run();

 private:
  struct Left {
    std::vector<ProcessKey> descendants;
    std::vector<uint32_t> unknown;  // nobody can say whose descendants they are
    // Ended by themselves since the question was asked: what they forked in between is not in the
    // answer.
    bool any_ended = false;
    bool none() const { return descendants.empty() && unknown.empty() && !any_ended; }
  };

  absl::Status strike(std::vector<ProcessKey> pending);
  absl::Status signal(ProcessKey process, std::vector<ProcessKey>& pending);
  absl::Status repeat_until_none_is_left();
  absl::Status wait_for_ends();
  absl::StatusOr<Left> look_again();
  absl::Status freeze();
  uint64_t ticks(ProcessKey process) const { return process.start_ns / tick_ns_; }
  milliseconds time_left() const {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end_ - Time::now()));
  }

  const Verdict& verdict_;
  const KillSurroundings& around_;
  const Time::time_point end_;
  const uint64_t tick_ns_ = 1'000'000'000U / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  KillCount count_;
  // Pid and start in ticks: those that got SIGKILL, and those that had ended before a question.
  std::set<std::pair<uint32_t, uint64_t>> done_;
  std::vector<std::pair<uint32_t, PidFd>> dying_;
  bool frozen_ = false;
};

absl::Status Hunt::signal(ProcessKey process, std::vector<ProcessKey>& pending) {
  // Opened before the check: the pid cannot change hands between the two.
  PidFd pidfd(process.pid);
  const absl::Status allowed = around_.guard.admit_process(verdict_, process);
  // One that ends during the check may be refused for what was left of it.
  if (absl::IsNotFound(allowed) || pidfd.has_ended()) {
    count_.had_ended |= process == verdict_.target.process;
    return absl::OkStatus();
  }
  if (!allowed.ok()) return allowed;
  // The table will know children that the list lacks: no need to let it come to rest first.
  if (!around_.family) {
    pidfd.send(SIGSTOP);
    wait_until_still(around_.cgroups, process.pid);
  }
  const std::vector<uint32_t> children = around_.cgroups.children(process.pid);
  if (!pidfd.send(SIGKILL)) {
    if (errno == ESRCH) return absl::OkStatus();
    return absl::InternalError(
        fmt::format("SIGKILL to process {}: {}", process.pid, strerror(errno)));
  }
  if (count_.processes++ == 0 && around_.on_first_signal) around_.on_first_signal();
  for (const uint32_t child : children) {
    if (const auto stat = around_.cgroups.stat(child))
      pending.push_back({child, stat->start_ticks * tick_ns_});
  }
  dying_.emplace_back(process.pid, std::move(pidfd));
  return absl::OkStatus();
}

// Goes on after a process that could not be signalled, and tells the first of them.
absl::Status Hunt::strike(std::vector<ProcessKey> pending) {
  absl::Status first;
  for (size_t next = 0; next < pending.size(); ++next) {
    const ProcessKey process = pending[next];
    if (!done_.insert({process.pid, ticks(process)}).second) continue;
    const absl::Status status = signal(process, pending);
    if (!status.ok() && process == verdict_.target.process) return status;
    first.Update(status);
  }
  return first;
}

// A process that got SIGKILL completes no fork any more; once it has ended, the records of those
// before are in the ring.
absl::Status Hunt::wait_for_ends() {
  for (const auto& [pid, pidfd] : dying_) {
    if (!pidfd.has_ended(time_left())) {
      return absl::DeadlineExceededError(fmt::format(
          "process {} got SIGKILL and has not ended within {} ms", pid, around_.deadline.count()));
    }
  }
  dying_.clear();
  return absl::OkStatus();
}

absl::StatusOr<Hunt::Left> Hunt::look_again() {
  struct Seen {
    uint32_t pid;
    uint64_t ticks;
  };
  std::vector<Seen> seen;  // before the question, so that the answer can know them all
  for (const uint32_t pid : around_.cgroups.processes(verdict_.target.cgroup)) {
    if (const auto stat = around_.cgroups.stat(pid)) seen.push_back({pid, stat->start_ticks});
  }
  const auto family = around_.family(verdict_.target);
  if (!family.ok()) return family.status();
  Left left;
  const auto lives = [&](uint32_t pid, uint64_t start_ticks) {
    const PidFd pidfd(pid);
    const auto stat = around_.cgroups.stat(pid);
    if (stat && stat->start_ticks == start_ticks && !pidfd.has_ended()) return true;
    left.any_ended |= done_.insert({pid, start_ticks}).second;
    return false;
  };
  std::set<std::pair<uint32_t, uint64_t>> known;
  for (const ProcessKey& other : family->others) known.insert({other.pid, ticks(other)});
  for (const ProcessKey& descendant : family->descendants) {
    known.insert({descendant.pid, ticks(descendant)});
    if (lives(descendant.pid, ticks(descendant))) left.descendants.push_back(descendant);
  }
  const uint64_t root_ticks = ticks(verdict_.target.process);
  for (const Seen& process : seen) {
    if (process.ticks < root_ticks || known.contains({process.pid, process.ticks})) continue;
    if (lives(process.pid, process.ticks)) left.unknown.push_back(process.pid);
  }
  return left;
}

absl::Status Hunt::freeze() {
  if (around_.cgroups.is_frozen(verdict_.target.cgroup)) return absl::OkStatus();
  frozen_ = true;  // also when it takes longer than this: to be thawed
  return around_.cgroups.set_frozen(verdict_.target.cgroup, true,
                                    std::min(time_left(), kFreezePatience));
}

absl::Status Hunt::repeat_until_none_is_left() {
  absl::Status why;
  for (int round = 0; round < kRounds; ++round) {
    if (absl::Status status = wait_for_ends(); !status.ok()) return status;
    if (round == kRoundsUnfrozen) why.Update(freeze());
    const auto left = look_again();
    if (!left.ok()) {
      return absl::Status(left.status().code(),
                          fmt::format("killed {} processes, but whether more descend from them is "
                                      "not known: {}",
                                      count_.processes, std::string(left.status().message())));
    }
    if (left->none()) return absl::OkStatus();
    if (round + 1 == kRounds || time_left().count() == 0) {
      return absl::InternalError(fmt::format(
          "killed {} processes; {} descendants live, and {} whose descent is not known{}{}",
          count_.processes, left->descendants.size(), left->unknown.size(), why.ok() ? "" : ": ",
          std::string(why.message())));
    }
    why = strike(left->descendants);
  }
  return absl::OkStatus();
}

absl::StatusOr<KillCount> Hunt::run() {
  std::vector<ProcessKey> all{verdict_.target.process};
  all.insert(all.end(), verdict_.target.descendants.begin(), verdict_.target.descendants.end());
  absl::Status status = strike(std::move(all));
  if (around_.family && (status.ok() || count_.processes > 0)) {
    status.Update(repeat_until_none_is_left());
  }
  // Its runtime may have removed it by now.
  if (frozen_ && around_.cgroups.id(verdict_.target.cgroup) == verdict_.target.cgroup_id) {
    status.Update(around_.cgroups.set_frozen(verdict_.target.cgroup, false, around_.deadline));
  }
  if (!status.ok()) return status;
  return count_;
}

}  // namespace

absl::StatusOr<KillCount> kill_subtree(const Verdict& verdict,
                                       const KillSurroundings& surroundings) {
  return Hunt(verdict, surroundings).run();
}

}  // namespace picket
