#include "agent/detect/rule/evaluation.h"

#include <algorithm>

#include "common/printable.h"

namespace picket::rule {
namespace {

constexpr std::string_view kMissing = "<NA>";
constexpr size_t kTextReserve = 256, kValuesReserve = 16;

}  // namespace

Evaluation::Evaluation(const Program& program)
    : program_(program), slots_(program.slots.size()), known_(program.nodes.size()) {
  for (Slot& slot : slots_) {
    slot.result.text.reserve(kTextReserve);
    slot.result.values.reserve(kValuesReserve);
  }
  size_t entries = 0;
  for (const auto& of_type : program.by_type) entries = std::max(entries, of_type.size());
  candidates_.reserve((entries + 63) / 64);
}

void Evaluation::begin(const Observation& observation) {
  observation_ = &observation;
  ++moment_.number;
}

bool Evaluation::holds(NodeId id) {
  if (id == kFalse || id == kTrue) return id == kTrue;
  Known& known = known_[id];
  if (known.event != moment_.number) {
    known.holds = decide(program_.nodes[id]);
    known.event = moment_.number;
  }
  return known.holds;
}

bool Evaluation::decide(const Node& node) {
  const auto holds_part = [this](NodeId part) { return holds(part); };
  switch (node.kind) {
    case NodeKind::all:
      return std::ranges::all_of(node.parts, holds_part);
    case NodeKind::any:
      return std::ranges::any_of(node.parts, holds_part);
    case NodeKind::negation:
      return !holds(node.parts.front());
    case NodeKind::comparison: {
      const CompiledComparison& comparison = program_.comparisons[node.comparison];
      if (!comparison.by_event.empty()) {
        const pk_header& header = observation_->event.header();
        return comparison.by_event[CompiledComparison::index_of(header.type, header.call)];
      }
      const FieldResult& left = read(comparison.slot);
      if (!comparison.right.has_value()) return comparison.matcher.matches(left);
      return comparison.matcher.matches(left, read(*comparison.right));
    }
    case NodeKind::constant:
      break;
  }
  return false;
}

const FieldResult& Evaluation::read(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.event != moment_.number) {
    program_.slots[index].read(*observation_, moment_, slot.result);
    slot.event = moment_.number;
  }
  return slot.result;
}

std::optional<std::string> Evaluation::value(uint32_t slot) {
  const FieldResult& result = read(slot);
  if (result.values.empty()) return std::nullopt;
  return to_text(result.values.front());
}

std::string Evaluation::print(uint32_t index, std::string_view count) {
  if (!count.empty() && program_.slots[index].text == kSequenceCount) return std::string(count);
  const FieldResult& result = read(index);
  if (result.values.empty()) return std::string(kMissing);
  std::string text = to_text(result.values.front());
  const Values values = program_.slots[index].values;
  if (values == Values::any || values == Values::list) {
    for (size_t i = 1; i < result.values.size(); ++i) text += ' ' + to_text(result.values[i]);
  }
  return printable(text);
}

std::string Evaluation::output(uint32_t rule, std::string_view count) {
  std::string text;
  for (const CompiledOutput::Part& part : program_.outputs[rule].parts) {
    text += part.literal;
    if (!part.has_field) continue;
    std::string value = print(part.slot, count);
    if (part.width != 0) value.resize(part.width, ' ');
    text += value;
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> Evaluation::fields(uint32_t rule,
                                                                    std::string_view count) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const CompiledOutput::Part& part : program_.outputs[rule].parts) {
    if (!part.has_field) continue;
    const std::string& name = program_.slots[part.slot].text;
    const auto named = [&](const auto& field) { return field.first == name; };
    if (std::ranges::none_of(fields, named)) fields.emplace_back(name, print(part.slot, count));
  }
  return fields;
}

}  // namespace picket::rule
