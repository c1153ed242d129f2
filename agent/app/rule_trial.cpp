#include "agent/app/rule_trial.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "agent/detect/rule/explain.h"

namespace picket {
namespace {

// All that decides when a rule matches and what follows; empty: it is too long to be told.
std::string meaning_of(const RuleSet& rules, uint32_t index) {
  constexpr std::string_view kCut = " ...";  // of a condition that is too long to be written out
  const RuleInfo& rule = rules.rules()[index];
  std::string text = fmt::format("{} {} {} {} {}\n{}\n", static_cast<int>(rule.priority),
                                 static_cast<int>(rule.respond), rule.shadow, rule.enabled,
                                 static_cast<int>(rule.merge), rule.output);
  const auto sequence = rules.program().sequences.find(index);
  if (sequence != rules.program().sequences.end()) text += sequence->second.text + '\n';
  for (const auto& [event, condition, step] : explain(rules.program(), index)) {
    if (condition.ends_with(kCut)) return "";
    text += fmt::format("{} {}: {}\n", event, step, condition);
  }
  return text;
}

}  // namespace

std::vector<std::string> changed_rules(const RuleSet& before, const RuleSet& now) {
  std::map<std::string_view, uint32_t> known;
  for (uint32_t i = 0; i < before.rules().size(); ++i) known.emplace(before.rules()[i].name, i);
  std::vector<std::string> changed;
  for (uint32_t i = 0; i < now.rules().size(); ++i) {
    const std::string& name = now.rules()[i].name;
    const auto same = known.find(name);
    const std::string meaning = meaning_of(now, i);
    if (meaning.empty() || same == known.end() || meaning_of(before, same->second) != meaning)
      changed.push_back(name);
  }
  return changed;
}

RuleFile trial_file(std::span<const std::string> rules) {
  nlohmann::json items = nlohmann::json::array();
  for (const std::string& rule : rules)
    items.push_back({{"rule", rule}, {"override", {{"shadow", "replace"}}}, {"shadow", true}});
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return {"on-trial.yaml", items.dump(1, ' ', false, kReplace) + "\n"};
}

}  // namespace picket
