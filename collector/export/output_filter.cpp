#include "collector/export/output_filter.h"

#include <fnmatch.h>

#include <algorithm>

namespace picket {
namespace {

bool fits(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
  });
}

// A priority that this version does not know is no reason to keep an alert back.
bool is_severe_enough(v1::Priority priority, v1::Priority least) {
  return priority == v1::PRIORITY_UNSPECIFIED || !v1::Priority_IsValid(priority) ||
         priority <= least;
}

}  // namespace

bool OutputFilter::matches(const v1::Alert& alert) const {
  if (alert.shadow() && !shadow) return false;
  if (!is_severe_enough(alert.priority(), least)) return false;
  if (!rules.empty() && !fits(rules, alert.rule())) return false;
  const v1::Workspace& of = alert.workspace();
  if (!namespaces.empty() && !fits(namespaces, of.pod().namespace_())) return false;
  if (!workspaces.empty() && !fits(workspaces, of.name()) && !fits(workspaces, of.id()))
    return false;
  return tags.empty() || std::any_of(alert.tags().begin(), alert.tags().end(),
                                     [&](const std::string& tag) { return fits(tags, tag); });
}

}  // namespace picket
