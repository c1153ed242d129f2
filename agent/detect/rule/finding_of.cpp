#include "agent/detect/rule/finding_of.h"

#include "agent/enrich/lineage.h"
#include "agent/event/schema.h"

namespace picket {
namespace {

constexpr size_t kLineageMax = 64;

std::vector<ProcessSummary> lineage_of(const Process& process) {
  std::vector<ProcessSummary> summaries;
  for (const Process& ancestor : lineage(process)) {
    if (summaries.size() == kLineageMax) break;
    summaries.push_back(summary(ancestor));
  }
  return summaries;
}

std::optional<ProcessKey> merged_as(MergeBy merge, const Process& process, const Subtree& subtree) {
  if (merge == MergeBy::process) return std::nullopt;
  if (merge == MergeBy::package && process.package != nullptr) return process.package->script;
  return subtree.root;
}

}  // namespace

ProcessSummary summary(const Process& process) {
  return {process.key,
          process.comm,
          std::string(process.exe),
          process.cmdline(),
          std::string(process.cwd),
          process.uid,
          process.driver.origin,
          std::string(process.driver.agent)};
}

Finding finding_of(const RuleInfo& rule, const Observation& observation) {
  Finding finding;
  finding.rule = rule.name;
  finding.priority = rule.priority;
  finding.why = rule.why;
  finding.tags = rule.tags;
  finding.respond = rule.respond;
  finding.shadow = rule.shadow;
  finding.time_ns = observation.event.header().time_ns;
  finding.first_ns = finding.last_ns = finding.time_ns;
  finding.event_type = event_row(observation.event.type())->name;
  finding.process = summary(observation.process);
  finding.lineage = lineage_of(observation.process);
  finding.workspace = observation.workspace;
  finding.subtree = subtree_of(observation.process);
  finding.merge_as = merged_as(rule.merge, observation.process, finding.subtree);
  return finding;
}

}  // namespace picket
