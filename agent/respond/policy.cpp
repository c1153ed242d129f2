#include "agent/respond/policy.h"

#include <fmt/format.h>

namespace picket {

Verdict ResponsePolicy::decide(const Finding& finding, const Workspace& workspace) const {
  Verdict verdict;
  if (!options_.enabled || finding.respond == Action::none || workspace.cgroup_id == 0)
    return verdict;
  verdict.action = finding.respond;
  verdict.target = {workspace.cgroup_id, workspace.id, workspace.cgroup, {}, {}};
  if (finding.respond == Action::kill) verdict.target.process = finding.process.key;
  verdict.finding = finding.merge_id;
  verdict.reason = fmt::format("rule {}", finding.rule);
  verdict.dry_run = options_.dry_run || finding.shadow;
  verdict.matched_ns = finding.time_ns;
  return verdict;
}

}  // namespace picket
