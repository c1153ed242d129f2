#include "agent/respond/system_responder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "agent/respond/kill.h"

namespace picket {

SystemResponder::SystemResponder(const CgroupFs& cgroups, const Clock& clock,
                                 Guard::Watched watched, Options options, AskFamily family)
    : cgroups_(cgroups),
      clock_(clock),
      options_(options),
      family_(std::move(family)),
      guard_(cgroups, clock, std::move(watched), options.max_per_minute,
             static_cast<uint32_t>(getpid())) {}

Response SystemResponder::carry_out(const Verdict& verdict) {
  Response response;
  response.verdict = verdict;
  const uint64_t start_ns = clock_.boot_ns();
  response.status = guard_.admit(verdict);
  if (response.status.ok()) {
    if (verdict.dry_run) {
      response.detail = fmt::format("dry run: would have done {} to workspace {}",
                                    to_string(verdict.action), verdict.target.workspace_id);
    } else {
      response.status = act(verdict, response);
    }
  }
  if (response.took.count() == 0) {
    response.took = std::chrono::microseconds((clock_.boot_ns() - start_ns) / 1000);
  }
  return response;
}

absl::Status SystemResponder::act(const Verdict& verdict, Response& response) {
  const size_t processes = cgroups_.processes(verdict.target.cgroup).size();
  switch (verdict.action) {
    case Action::kill:
      return kill(verdict, response);
    case Action::freeze:
      response.detail = fmt::format("froze {} processes", processes);
      return cgroups_.set_frozen(verdict.target.cgroup, true, options_.deadline);
    case Action::thaw:
      response.detail = fmt::format("thawed {} processes", processes);
      return cgroups_.set_frozen(verdict.target.cgroup, false, options_.deadline);
    case Action::none:
      break;
  }
  return absl::InvalidArgumentError("no action");
}

absl::Status SystemResponder::kill(const Verdict& verdict, Response& response) {
  if (verdict.target.process.pid == 0) {
    response.detail =
        fmt::format("killed {} processes", cgroups_.processes(verdict.target.cgroup).size());
    return cgroups_.kill_all(verdict.target.cgroup, options_.deadline);
  }
  // For a rule's kill the time that matters runs from the match to the first signal.
  uint64_t first_signal_ns = 0;
  const auto count = kill_subtree(
      verdict,
      {cgroups_, guard_, family_, [&] { first_signal_ns = clock_.boot_ns(); }, options_.deadline});
  if (first_signal_ns > verdict.matched_ns && verdict.matched_ns != 0) {
    response.took = std::chrono::microseconds((first_signal_ns - verdict.matched_ns) / 1000);
  }
  if (!count.ok()) return count.status();
  response.detail = count->had_ended && count->processes == 0
                        ? fmt::format("process {} had already ended", verdict.target.process.pid)
                        : fmt::format("killed {} processes", count->processes);
  return absl::OkStatus();
}

}  // namespace picket
