#include "agent/detect/rule/urgency.h"

#include <algorithm>
#include <vector>

#include "agent/detect/rule/could_match.h"

namespace picket {
namespace rule {
namespace {

constexpr uint64_t kEveryClass = ~uint64_t{0};

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

  bool tells(Trait trait) const {
    if (trait == Trait::none || trait == Trait::of_interest) return false;
    return trait != Trait::inet || !inet_;
  }
  const std::vector<Process>& ways() const { return ways_; }

 private:
  bool inet_ = false;
  std::vector<Process> ways_;
};

PartialEvaluation evaluation_of(const Program& program, const ClassOfExec& known) {
  return {program, [&](const CompiledComparison& comparison) {
            static const pk_exec kExec = [] {
              pk_exec exec{};
              exec.header.size = sizeof(exec);
              exec.header.type = PK_EXEC;
              exec.header.abi = PK_ABI;
              return exec;
            }();
            static const auto kEvent = Event::parse(std::as_bytes(std::span(&kExec, size_t{1})));
            const FieldReference& field = program.slots[comparison.slot];
            if (comparison.right.has_value()) return Answer::maybe;
            if (field.field == nullptr || !known.tells(field.field->trait)) return Answer::maybe;
            return PartialEvaluation::compare(comparison, field, *kEvent, known.ways());
          }};
}

uint64_t classes_of_exec(const Program& program, const std::vector<NodeId>& conditions) {
  uint64_t classes = conditions.empty() ? 0 : uint64_t{1} << PK_CLASS_ANY;
  for (uint32_t number = PK_CLASS(0); number < PK_CLASSES; ++number) {
    const ClassOfExec known(number);
    PartialEvaluation evaluation = evaluation_of(program, known);
    const bool urgent = std::ranges::any_of(
        conditions, [&](NodeId condition) { return evaluation.ask(condition) != Answer::no; });
    if (urgent) classes |= uint64_t{1} << number;
  }
  return classes;
}

uint64_t classes_of_open(const Program& program, const std::vector<NodeId>& conditions) {
  uint64_t classes = conditions.empty() ? 0 : uint64_t{1} << PK_CLASS_ANY;
  for (uint32_t kind = 0; kind < PK_OPENS_KINDS; ++kind)
    if (open_could_match(program, conditions, kind)) classes |= uint64_t{1} << PK_CLASS_PLAIN(kind);
  return classes;
}

bool is_structural(pk_type type) {
  return type == PK_CGROUP_MKDIR || type == PK_CGROUP_RMDIR || type == PK_CGROUP_ATTACH;
}

}  // namespace
}  // namespace rule

bool is_urgent(const RuleInfo& rule) {
  return !rule.shadow && (rule.respond != Action::none || rule.priority <= Priority::critical);
}

Urgency urgency_of(const RuleSet& rules) {
  const rule::Program& program = rules.program();
  Urgency urgency{.classes = {}, .calls = {}};
  for (const EventRow& event : event_rows()) {
    std::vector<rule::NodeId> conditions;
    for (const rule::Program::Entry& entry : program.by_type[event.type])
      if (is_urgent(program.rules[entry.rule])) conditions.push_back(entry.condition);
    uint64_t& classes = urgency.classes[event.type];
    if (event.type == PK_EXEC)
      classes = rule::classes_of_exec(program, conditions);
    else if (event.type == PK_OPEN)
      classes = rule::classes_of_open(program, conditions);
    else if (!conditions.empty() || rule::is_structural(event.type))
      classes = rule::kEveryClass;
    if (!pk_is_told_by_call(event.type)) continue;
    for (const pk_call call : rule::calls_of(event.type))
      if (!urgency.calls[call])
        urgency.calls[call] = rule::call_could_match(program, conditions, event.type, call);
  }
  return urgency;
}

}  // namespace picket
