#include "agent/detect/rule/rule_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/detect/rule/implication.h"
#include "agent/detect/rule/load_limits.h"
#include "agent/event/schema.h"

namespace picket::rule {
namespace {

class Analysis {
 public:
  Analysis(const Program& program, LoadReport& report)
      : program_(program), report_(report), rules_(program.rules.size()), implication_(program) {
    for (pk_type type = PK_NONE; type < PK_TYPE_END; type = static_cast<pk_type>(type + 1)) {
      for (const Program::Entry& entry : program.by_type[type])
        if (entry.step == kWholeRule) rules_[entry.rule].push_back({type, entry.condition});
    }
    // A rule is looked up by the part that fewest others have.
    absl::flat_hash_map<NodeId, size_t> count;
    for (const ByType& by_type : rules_)
      for_each_condition(by_type, [&](NodeId condition) {
        for (const NodeId part : parts_of(condition)) ++count[part];
      });
    for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
      for_each_condition(rules_[rule], [&](NodeId condition) {
        const Parts& parts = parts_of(condition);
        const auto rarest =
            std::ranges::min_element(parts, {}, [&](NodeId part) { return count[part]; });
        wider_[rarest == parts.end() ? kTrue : *rarest].push_back(rule);
      });
    }
    for (const auto& [part, rules] : wider_) {
      for (const uint32_t slot : slots_of(part)) by_slot_[slot].push_back(part);
    }
    for (auto& [slot, parts] : by_slot_) std::ranges::sort(parts);
  }

  void note() {
    for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
      if (rules_[rule].empty()) continue;
      note_late(rule, rules_[rule]);
      if (const auto wider = wider_than(rule)) note_pair(rule, *wider);
    }
  }

 private:
  using Parts = std::vector<NodeId>;  // all of them hold; sorted
  struct Asked {
    pk_type type = PK_NONE;
    NodeId condition = kFalse;
    friend bool operator==(const Asked&, const Asked&) = default;
  };
  using ByType = std::vector<Asked>;  // in the order of the types

  const Parts& parts_of(NodeId condition) {
    std::unique_ptr<Parts>& known = parts_[condition];
    if (known != nullptr) return *known;
    known = std::make_unique<Parts>();
    if (condition == kTrue) return *known;
    const Node& node = program_.nodes[condition];
    Parts& parts = *known;
    parts = node.kind == NodeKind::all ? node.parts : Parts{condition};
    std::ranges::sort(parts);
    return parts;
  }

  // Each once; what does not depend on the type is the same for all of them.
  template <class Each>
  static void for_each_condition(const ByType& by_type, Each each) {
    absl::flat_hash_set<NodeId> seen;
    for (const Asked& one : by_type)
      if (seen.insert(one.condition).second) each(one.condition);
  }

  // A rule that matches whatever this one does; of two that match the same, the first.
  std::optional<uint32_t> wider_than(uint32_t rule) {
    std::optional<uint32_t> found;
    const auto look_up = [&](NodeId part) {
      const auto known = wider_.find(part);
      if (known == wider_.end()) return;
      for (const uint32_t other : known->second) {
        if (found && *found <= other) break;  // they come in their order
        if (other == rule) continue;
        if (covers(rules_[other], rules_[rule]) && (other < rule || rules_[other] != rules_[rule]))
          found = other;
      }
    };
    look_up(kTrue);
    // Whatever is wider knows this type as well.
    for (const NodeId part : parts_of(rules_[rule].front().condition)) {
      look_up(part);
      for (const NodeId wide : what_may_follow(part))
        if (wide != part && implication_.follows(part, wide)) look_up(wide);
    }
    return found;
  }

  bool covers(const ByType& wide, const ByType& narrow) {
    auto at = wide.begin();
    return std::ranges::all_of(narrow, [&](const Asked& one) {
      while (at != wide.end() && at->type < one.type) ++at;
      if (at == wide.end() || at->type != one.type) return false;
      if (at->condition == one.condition) return true;
      const Parts& own = parts_of(one.condition);
      return std::ranges::all_of(parts_of(at->condition), [&](NodeId part) {
        return std::ranges::binary_search(own, part) || std::ranges::any_of(own, [&](NodeId mine) {
                 return implication_.follows(mine, part);
               });
      });
    });
  }

  // The fields that a part is about: its own, or those of what it is made of.
  std::set<uint32_t> slots_of(NodeId part) const {
    std::set<uint32_t> slots;
    if (part == kTrue) return slots;
    const Node& node = program_.nodes[part];
    if (node.kind == NodeKind::comparison) return {program_.comparisons[node.comparison].slot};
    for (const NodeId inner : node.parts) {
      const Node& one = program_.nodes[inner];
      if (one.kind == NodeKind::comparison) slots.insert(program_.comparisons[one.comparison].slot);
    }
    return slots;
  }

  // Of rules about the same fields, unless these are so many that it takes too long.
  Parts what_may_follow(NodeId part) const {
    constexpr size_t kMany = 64;
    Parts parts;
    for (const uint32_t slot : slots_of(part)) {
      const auto known = by_slot_.find(slot);
      if (known == by_slot_.end() || known->second.size() > kMany) continue;
      parts.insert(parts.end(), known->second.begin(), known->second.end());
    }
    return parts;
  }

  void note_pair(uint32_t rule, uint32_t wider) {
    const RuleInfo& own = program_.rules[rule];
    const RuleInfo& other = program_.rules[wider];
    const bool both_act = own.respond != Action::none && other.respond != Action::none;
    if (both_act && own.respond != other.respond && !own.shadow && !other.shadow) {
      note(own, fmt::format("rules '{}' and '{}' ({}:{}) contradict each other: what the first one "
                            "matches asks for {} and for {}",
                            own.name, other.name, other.file, other.line, to_string(own.respond),
                            to_string(other.respond)));
    }
    const bool adds_priority = own.priority < other.priority;
    const bool adds_response = own.respond != Action::none && own.respond != other.respond;
    if (adds_priority || adds_response || other.shadow != own.shadow) return;
    note(own, fmt::format("rule '{}' is shadowed: '{}' ({}:{}) matches whatever it matches, and is "
                          "no less severe",
                          own.name, other.name, other.file, other.line));
  }

  // Nothing is left to act on when all that a rule sees is an end.
  void note_late(uint32_t rule, const ByType& by_type) {
    const RuleInfo& own = program_.rules[rule];
    if (own.respond == Action::none) return;
    const bool late = std::ranges::all_of(by_type, [&](const Asked& entry) {
      return (entry.type == PK_EXIT && own.respond == Action::kill) ||
             entry.type == PK_CGROUP_RMDIR;
    });
    if (!late) return;
    note(own, fmt::format("rule '{}' can never be enforced: it sees only what has ended, and there "
                          "is nothing left to {}",
                          own.name, to_string(own.respond)));
  }

  void note(const RuleInfo& rule, std::string message) {
    if (report_.notes.size() >= kNotesMax) return;
    report_.notes.push_back({rule.file, rule.line, rule.column, std::move(message)});
  }

  const Program& program_;
  LoadReport& report_;
  std::vector<ByType> rules_;
  absl::flat_hash_map<NodeId, std::unique_ptr<Parts>> parts_;
  absl::flat_hash_map<NodeId, std::vector<uint32_t>> wider_;
  absl::flat_hash_map<uint32_t, Parts> by_slot_;  // what stands in wider_
  Implication implication_;
};

}  // namespace

void note_doubtful_rules(const Program& program, LoadReport& report) {
  Analysis(program, report).note();
}

}  // namespace picket::rule
