#include "agent/detect/rule/urgency.h"

#include <algorithm>
#include <vector>

#include "agent/detect/rule/program.h"

namespace picket {
namespace rule {
namespace {

constexpr uint64_t kEveryClass = ~uint64_t{0};

enum class Answer { no, maybe, yes };

Answer opposite(Answer answer) {
  if (answer == Answer::maybe) return answer;
  return answer == Answer::yes ? Answer::no : Answer::yes;
}

// What is known of an exec of one class: a process for each of the ways it can be.
class ClassOfExec {
 public:
  explicit ClassOfExec(uint32_t number) {
    const uint32_t traits = number - PK_CLASS(0);
    inet_ = (traits & PK_CLASS_INET) != 0;
    for (uint8_t kind = 0; kind < PK_FD_KIND_END; ++kind) {
      if (kind == PK_FD_INET) continue;
      Process& process = ways_.emplace_back();
      process.layer = traits & (PK_CLASS_INET - 1);
      process.exec_in = (traits & PK_CLASS_EXEC_IN) != 0;
      for (pk_fd& fd : process.fd) fd.kind = kind;
    }
  }

  bool tells(Trait trait) const { return trait != Trait::none && (trait != Trait::inet || !inet_); }
  const std::vector<Process>& ways() const { return ways_; }

 private:
  bool inet_ = false;
  std::vector<Process> ways_;
};

// A condition of which some parts are not known yet. What two parts have in common is not seen:
// the answer may be "maybe" where it is certain, never certain where it is not.
class PartialEvaluation {
 public:
  PartialEvaluation(const Program& program, const ClassOfExec& known)
      : program_(program), known_(known) {
    exec_.header.size = sizeof(exec_);
    exec_.header.type = PK_EXEC;
    exec_.header.abi = PK_ABI;
  }

  Answer ask(NodeId id) const {
    if (id == kFalse || id == kTrue) return id == kTrue ? Answer::yes : Answer::no;
    const Node& node = program_.nodes[id];
    switch (node.kind) {
      case NodeKind::negation:
        return opposite(ask(node.parts.front()));
      case NodeKind::all:
        return chain(node, Answer::no);
      case NodeKind::any:
        return chain(node, Answer::yes);
      case NodeKind::comparison:
        return compare(program_.comparisons[node.comparison]);
      case NodeKind::constant:
        break;
    }
    return Answer::maybe;
  }

 private:
  Answer chain(const Node& node, Answer decisive) const {
    Answer answer = opposite(decisive);
    for (const NodeId part : node.parts) {
      const Answer one = ask(part);
      if (one == decisive) return decisive;
      if (one == Answer::maybe) answer = one;
    }
    return answer;
  }

  Answer compare(const CompiledComparison& comparison) const {
    const FieldReference& field = program_.slots[comparison.slot];
    if (field.field == nullptr || !known_.tells(field.field->trait)) return Answer::maybe;
    const auto event = Event::parse(std::as_bytes(std::span<const pk_exec>(&exec_, size_t{1})));
    if (!event.has_value()) return Answer::maybe;
    size_t matching = 0;
    FieldResult value;
    for (const Process& process : known_.ways()) {
      field.read({*event, process, workspace_}, 0, value);
      matching += comparison.matcher.matches(value) ? 1 : 0;
    }
    if (matching == 0) return Answer::no;
    return matching == known_.ways().size() ? Answer::yes : Answer::maybe;
  }

  const Program& program_;
  const ClassOfExec& known_;
  pk_exec exec_{};
  Workspace workspace_;
};

uint64_t classes_of_exec(const Program& program, const std::vector<NodeId>& conditions) {
  uint64_t classes = conditions.empty() ? 0 : uint64_t{1} << PK_CLASS_ANY;
  for (uint32_t number = PK_CLASS(0); number < PK_CLASSES; ++number) {
    const ClassOfExec known(number);
    const PartialEvaluation evaluation(program, known);
    const bool urgent = std::ranges::any_of(
        conditions, [&](NodeId condition) { return evaluation.ask(condition) != Answer::no; });
    if (urgent) classes |= uint64_t{1} << number;
  }
  return classes;
}

bool is_structural(pk_type type) {
  return type == PK_CGROUP_MKDIR || type == PK_CGROUP_RMDIR || type == PK_CGROUP_ATTACH;
}

}  // namespace
}  // namespace rule

bool is_urgent(const RuleInfo& rule) {
  return rule.respond != Action::none || rule.priority <= Priority::critical;
}

std::array<uint64_t, PK_TYPE_END> urgent_classes(const RuleSet& rules) {
  const rule::Program& program = rules.program();
  std::array<uint64_t, PK_TYPE_END> urgent{};
  for (const EventRow& event : event_rows()) {
    std::vector<rule::NodeId> conditions;
    for (const rule::Program::Entry& entry : program.by_type[event.type])
      if (is_urgent(program.rules[entry.rule])) conditions.push_back(entry.condition);
    if (event.type == PK_EXEC) {
      urgent[event.type] = rule::classes_of_exec(program, conditions);
    } else if (!conditions.empty() || rule::is_structural(event.type)) {
      urgent[event.type] = rule::kEveryClass;
    }
  }
  return urgent;
}

}  // namespace picket
