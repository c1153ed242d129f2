#include "agent/respond/guard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

namespace picket {
namespace {

constexpr uint64_t kMinute = 60'000'000'000;
constexpr uint64_t kSecond = 1'000'000'000;

bool is_inside(const std::string& cgroup, const std::string& workspace) {
  return cgroup == workspace || cgroup.starts_with(workspace + "/");
}

absl::Status refused(std::string why) { return absl::PermissionDeniedError(std::move(why)); }

}  // namespace

Guard::Guard(const CgroupFs& cgroups, const Clock& clock, Watched watched, uint64_t max_per_minute,
             uint32_t own_pid)
    : cgroups_(cgroups),
      clock_(clock),
      watched_(std::move(watched)),
      max_per_minute_(max_per_minute),
      own_pid_(own_pid),
      ticks_per_second_(static_cast<uint64_t>(sysconf(_SC_CLK_TCK))) {}

absl::Status Guard::admit_workspace(const Target& target) const {
  const auto watched = watched_(target.cgroup_id);
  if (target.cgroup_id == 0 || !watched) {
    return refused(fmt::format("{} is not a watched workspace", target.workspace_id));
  }
  if (watched->cgroup != target.cgroup || target.cgroup.empty() || target.cgroup == "/") {
    return refused(fmt::format("workspace {} does not live in cgroup \"{}\"", target.workspace_id,
                               target.cgroup));
  }
  if (cgroups_.id(target.cgroup) != target.cgroup_id) {
    return refused(fmt::format("cgroup {} is gone, or another one took its place", target.cgroup));
  }
  const auto own = cgroups_.cgroup_of(own_pid_);
  if (!own || is_inside(*own, target.cgroup)) {
    return refused(fmt::format("the agent itself lives in cgroup {}", target.cgroup));
  }
  return absl::OkStatus();
}

absl::Status Guard::admit(const Verdict& verdict) {
  if (verdict.action == Action::none) return refused("no action");
  if (absl::Status status = admit_workspace(verdict.target); !status.ok()) return status;
  if (verdict.action == Action::thaw) return absl::OkStatus();  // gives back: never limited
  if (verdict.dry_run) return absl::OkStatus();
  const uint64_t now = clock_.boot_ns();
  const bool by_rule = verdict.command.empty();
  std::deque<uint64_t>& recent_ns = by_rule ? recent_by_rules_ns_ : recent_by_operators_ns_;
  while (!recent_ns.empty() && recent_ns.front() + kMinute <= now) recent_ns.pop_front();
  if (recent_ns.size() >= max_per_minute_) {
    return absl::ResourceExhaustedError(
        fmt::format("{} actions of {} in the last minute are the "
                    "limit",
                    max_per_minute_, by_rule ? "rules" : "operators"));
  }
  recent_ns.push_back(now);
  return absl::OkStatus();
}

absl::Status Guard::admit_process(const Verdict& verdict, ProcessKey process) const {
  if (process.pid <= 1) return refused(fmt::format("process {} is never signalled", process.pid));
  if (process.pid == own_pid_) return refused("the agent does not signal itself");
  const auto stat = cgroups_.stat(process.pid);
  if (!stat) return absl::NotFoundError(fmt::format("process {} has ended", process.pid));
  // /proc rounds down to clock ticks: equal ticks is all that can be compared.
  if (stat->start_ticks != process.start_ns / (kSecond / ticks_per_second_)) {
    return absl::NotFoundError(
        fmt::format("process {} has ended; its pid belongs to another one", process.pid));
  }
  const auto cgroup = cgroups_.cgroup_of(process.pid);
  if (!cgroup || !is_inside(*cgroup, verdict.target.cgroup)) {
    return refused(
        fmt::format("process {} is not in cgroup {}", process.pid, verdict.target.cgroup));
  }
  return absl::OkStatus();
}

}  // namespace picket
