// The steps of a sequence, each compiled as the condition of a rule is.
#include <fmt/format.h>

#include <algorithm>

#include "agent/detect/rule/compiler.h"

namespace picket::rule {

std::vector<Compiler::Part> Compiler::compile_parts(const RuleDefinition& rule) {
  std::vector<Part> parts;
  if (!rule.sequence.has_value()) {
    const auto condition = compile_condition(rule, rule.condition);
    if (condition.has_value()) parts.push_back({kWholeRule, *condition});
    return parts;
  }
  const auto& steps = rule.sequence->steps;
  for (auto step = static_cast<uint32_t>(steps.size()); step-- > 0;) {
    const auto condition = compile_condition(rule, steps[step].condition);
    if (condition.has_value()) parts.push_back({step, *condition});
  }
  if (parts.size() != steps.size()) parts.clear();
  return parts;
}

std::optional<Sequence> Compiler::compile_sequence(const RuleDefinition& rule) {
  if (!rule.sequence.has_value()) return std::nullopt;
  Sequence sequence{rule.sequence->by, rule.sequence->window_ns, {}, {}};
  sequence.text = fmt::format("{} {}", static_cast<int>(sequence.by), sequence.window_ns);
  for (const StepDefinition& definition : rule.sequence->steps) {
    SequenceStep step{definition.name.value, definition.absent, definition.count, {}, {}};
    if (definition.distinct.has_value()) {
      const auto field = exception_field(*definition.distinct);
      if (!field.has_value()) return std::nullopt;
      step.distinct = graph_.slot(*field);
    }
    if (definition.sum.has_value()) {
      const auto field = exception_field(*definition.sum);
      if (!field.has_value()) return std::nullopt;
      if (field->type != FieldType::number)
        return fail(*definition.sum, 0,
                    fmt::format("'{}' is no number: it has no sum", field->text));
      step.sum = graph_.slot(*field);
    }
    sequence.text +=
        fmt::format("\n{} {} {} {} {}\n{}", step.name, step.absent, step.count,
                    definition.distinct ? definition.distinct->value : "",
                    definition.sum ? definition.sum->value : "", definition.condition.value);
    sequence.steps.push_back(std::move(step));
  }
  return sequence;
}

void Compiler::note_idle_steps(const RuleDefinition& rule, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    const bool idle = std::ranges::all_of(event_rows(), [&](const EventRow& event) {
      return special_for(part.condition, event.type) == kFalse;
    });
    if (!idle) continue;
    const StepDefinition& step = rule.sequence->steps[part.step];
    note(step.condition, 0,
         fmt::format("rule '{}' {}: no event fits its step '{}'", rule.name.value,
                     step.absent ? "asks in vain" : "can never match", step.name.value));
  }
}

}  // namespace picket::rule
