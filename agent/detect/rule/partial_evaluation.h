// A condition of which some parts are not known yet: what the kernel can tell before it asks any
// rule. What two parts have in common is not seen: the answer may be "maybe" where it is certain,
// never certain where it is not. Owner: one thread; the program outlives it. Nothing fails.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "agent/detect/rule/program.h"

namespace picket::rule {

enum class Answer : uint8_t { no, maybe, yes };

class PartialEvaluation {
 public:
  // What a comparison will say.
  using Compare = std::function<Answer(const CompiledComparison&)>;

  PartialEvaluation(const Program& program, Compare compare)
      : program_(program), compare_(std::move(compare)), known_(program.nodes.size(), kUnknown) {}

  Answer ask(NodeId id) {
    if (id == kFalse || id == kTrue) return id == kTrue ? Answer::yes : Answer::no;
    if (known_[id] == kUnknown) known_[id] = static_cast<uint8_t>(decide(program_.nodes[id]));
    return static_cast<Answer>(known_[id]);
  }

  // What the field says of one of these observations, which are all that there can be.
  static Answer compare(const CompiledComparison& comparison, const FieldReference& field,
                        const Event& event, std::span<const Process> processes) {
    static const Workspace kNone;
    size_t matching = 0;
    FieldResult value;
    for (const Process& process : processes) {
      field.read({event, process, kNone}, {}, value);
      matching += comparison.matcher.matches(value) ? 1 : 0;
    }
    if (matching == 0) return Answer::no;
    return matching == processes.size() ? Answer::yes : Answer::maybe;
  }

 private:
  static constexpr uint8_t kUnknown = 0xff;

  Answer decide(const Node& node) {
    switch (node.kind) {
      case NodeKind::negation:
        return opposite(ask(node.parts.front()));
      case NodeKind::all:
        return chain(node, Answer::no);
      case NodeKind::any:
        return chain(node, Answer::yes);
      case NodeKind::comparison:
        return compare_(program_.comparisons[node.comparison]);
      case NodeKind::constant:
        break;
    }
    return Answer::maybe;
  }

  Answer chain(const Node& node, Answer decisive) {
    Answer answer = opposite(decisive);
    for (const NodeId part : node.parts) {
      const Answer one = ask(part);
      if (one == decisive) return decisive;
      if (one == Answer::maybe) answer = one;
    }
    return answer;
  }

  static Answer opposite(Answer answer) {
    if (answer == Answer::maybe) return answer;
    return answer == Answer::yes ? Answer::no : Answer::yes;
  }

  const Program& program_;
  const Compare compare_;
  std::vector<uint8_t> known_;  // answers by node, each worked out once
};

}  // namespace picket::rule
