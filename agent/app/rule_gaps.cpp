#include "agent/app/rule_gaps.h"

#include <fmt/format.h>

#include <algorithm>

namespace picket {
namespace {

bool is_asked_for(const RuleInfo& rule, const CoverageLine& line) {
  return std::ranges::find(rule.events, line.event) != rule.events.end();
}

// An event without a line of its own is made in user space: it always comes.
bool can_come(const Coverage& coverage, const std::string& event) {
  bool has_line = false;
  for (const CoverageLine& line : coverage.lines) {
    if (line.event != event) continue;
    if (line.state == CoverageLine::State::attached) return true;
    has_line = true;
  }
  return !has_line;
}

}  // namespace

std::vector<RuleGap> rule_gaps(const Coverage& coverage, const RuleSet& rules) {
  std::vector<RuleGap> gaps;
  for (const RuleInfo& rule : rules.rules()) {
    if (!rule.enabled) continue;
    RuleGap gap;
    gap.rule = rule.name;
    for (const CoverageLine& line : coverage.lines)
      if (line.state != CoverageLine::State::attached && is_asked_for(rule, line))
        gap.missing.push_back(line);
    if (gap.missing.empty()) continue;
    gap.never_matches = std::ranges::none_of(
        rule.events, [&](const std::string& event) { return can_come(coverage, event); });
    gaps.push_back(std::move(gap));
  }
  return gaps;
}

std::string words(const RuleGap& gap) {
  std::string text = fmt::format("rule {} {}: ", gap.rule,
                                 gap.never_matches ? "cannot match here" : "may miss something");
  for (const CoverageLine& line : gap.missing)
    text += fmt::format("{}{} ({} is {})", &line == &gap.missing.front() ? "" : "; ", line.effect,
                        line.hook, state_word(line.state));
  return text;
}

}  // namespace picket
