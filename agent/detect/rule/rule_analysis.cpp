#include "agent/detect/rule/rule_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/detect/rule/load_limits.h"
#include "agent/event/schema.h"

namespace picket::rule {
namespace {

using Parts = std::set<NodeId>;  // all of them hold

class Analysis {
 public:
  Analysis(const Program& program, LoadReport& report) : program_(program), report_(report) {
    for (pk_type type = PK_NONE; type < PK_TYPE_END; type = static_cast<pk_type>(type + 1)) {
      for (const Program::Entry& entry : program.by_type[type]) {
        if (entry.step == kWholeRule) parts_[entry.rule][type] = parts_of(entry.condition);
      }
    }
    // A rule is looked up by the part that fewest others have.
    std::map<Key, size_t> count;
    for (const auto& [rule, by_type] : parts_)
      for (const auto& [type, parts] : by_type)
        for (const NodeId part : parts) ++count[{type, part}];
    for (const auto& [rule, by_type] : parts_) {
      for (const auto& [type, parts] : by_type) {
        const auto rarest = std::ranges::min_element(parts, {}, [&, at = type](NodeId part) {
          return count[{at, part}];
        });
        wider_.emplace(Key{type, rarest == parts.end() ? kTrue : *rarest}, rule);
      }
    }
  }

  void note() {
    for (const auto& [rule, by_type] : parts_) {
      note_late(rule, by_type);
      if (const auto wider = wider_than(rule, by_type)) note_pair(rule, *wider);
    }
  }

 private:
  using ByType = std::map<pk_type, Parts>;
  using Key = std::pair<pk_type, NodeId>;

  Parts parts_of(NodeId condition) const {
    if (condition == kTrue) return {};
    const Node& node = program_.nodes[condition];
    if (node.kind != NodeKind::all) return {condition};
    return {node.parts.begin(), node.parts.end()};
  }

  // A rule that matches whatever this one does; of two that match the same, the first.
  std::optional<uint32_t> wider_than(uint32_t rule, const ByType& by_type) const {
    std::optional<uint32_t> found;
    const auto& [type, parts] = *by_type.begin();  // whatever is wider knows this type as well
    const auto look_up = [&](const Key& key) {
      const auto [begin, end] = wider_.equal_range(key);
      for (auto at = begin; at != end; ++at) {
        const uint32_t other = at->second;
        if (found && *found < other) break;  // they come in their order
        if (other == rule) continue;
        const ByType& wide = parts_.at(other);
        if (covers(wide, by_type) && (other < rule || wide != by_type)) found = other;
      }
    };
    look_up({type, kTrue});
    for (const NodeId part : parts) look_up({type, part});
    return found;
  }

  static bool covers(const ByType& wide, const ByType& narrow) {
    return std::ranges::all_of(narrow, [&](const auto& entry) {
      const auto found = wide.find(entry.first);
      return found != wide.end() && std::ranges::includes(entry.second, found->second);
    });
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
    const bool late = std::ranges::all_of(by_type, [&](const auto& entry) {
      return (entry.first == PK_EXIT && own.respond == Action::kill) ||
             entry.first == PK_CGROUP_RMDIR;
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
  std::map<uint32_t, ByType> parts_;
  std::multimap<Key, uint32_t> wider_;
};

}  // namespace

void note_doubtful_rules(const Program& program, LoadReport& report) {
  Analysis(program, report).note();
}

}  // namespace picket::rule
