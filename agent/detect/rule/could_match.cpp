#include "agent/detect/rule/could_match.h"

#include <algorithm>

namespace picket::rule {
namespace {

bool could_match(std::span<const NodeId> conditions, PartialEvaluation evaluation) {
  return std::ranges::any_of(
      conditions, [&](NodeId condition) { return evaluation.ask(condition) != Answer::no; });
}

Answer answer_of(size_t matching, size_t all) {
  if (matching == 0) return Answer::no;
  return matching == all ? Answer::yes : Answer::maybe;
}

bool is_known(const FieldReference& field, const CompiledComparison& comparison) {
  return field.transforms.empty() && !comparison.right.has_value();
}

// event.kind of an open: what was opened is something.
bool is_kind_of_opened(const FieldReference& field) {
  const FieldRow* row = field.field == nullptr ? field.rows[PK_OPEN] : nullptr;
  return row != nullptr && row->name == "kind";
}

Answer for_each_kind(const CompiledComparison& comparison, const FieldReference& field,
                     pk_open open) {
  static const Process kAnybody;
  static const Workspace kNone;
  size_t matching = 0;
  for (uint8_t kind = PK_FD_NONE + 1; kind < PK_FD_KIND_END; ++kind) {
    open.object.kind = kind;
    const auto event = Event::parse(std::as_bytes(std::span(&open, size_t{1})));
    FieldResult value;
    field.read({*event, kAnybody, kNone}, {}, value);
    matching += comparison.matcher.matches(value) ? 1 : 0;
  }
  return answer_of(matching, PK_FD_KIND_END - 1);
}

// Which of the calls that go by a name it was is not known.
Answer for_each_open(const CompiledComparison& comparison) {
  size_t matching = 0, all = 0;
  for (const pk_call call : calls_of(PK_OPEN)) {
    if (call == PK_CALL_NONE || call == PK_CALL_open_by_handle_at) continue;
    FieldResult names;
    for (const std::string_view name : event_names(PK_OPEN, call)) names.add(name);
    matching += comparison.matcher.matches(names) ? 1 : 0;
    ++all;
  }
  return answer_of(matching, all);
}

}  // namespace

bool is_decided_by(const Program& program, const CompiledComparison& comparison, Trait trait) {
  const FieldReference& field = program.slots[comparison.slot];
  return is_known(field, comparison) && field.field != nullptr && field.field->trait == trait;
}

bool call_could_match(const Program& program, std::span<const NodeId> conditions, pk_type type,
                      pk_call call) {
  return could_match(conditions, {program, [&](const CompiledComparison& comparison) {
                                    if (!is_decided_by(program, comparison, Trait::call))
                                      return Answer::maybe;
                                    FieldResult names;
                                    for (const std::string_view name : event_names(type, call))
                                      names.add(name);
                                    return comparison.matcher.matches(names) ? Answer::yes
                                                                             : Answer::no;
                                  }});
}

bool open_could_match(const Program& program, std::span<const NodeId> conditions, uint32_t kind) {
  pk_open open{};
  open.header.size = sizeof(open);
  open.header.type = PK_OPEN;
  open.header.abi = PK_ABI;
  open.reads = (kind & PK_OPENS_OF(1, 0, 0)) != 0;
  open.writes = (kind & PK_OPENS_OF(0, 1, 0)) != 0;
  const bool named = (kind & PK_OPENS_OF(0, 0, 1)) != 0;
  const auto event = Event::parse(std::as_bytes(std::span(&open, size_t{1})));
  if (!event.has_value()) return true;
  const Process anybody;
  return could_match(conditions,
                     {program, [&](const CompiledComparison& comparison) {
                        const FieldReference& field = program.slots[comparison.slot];
                        if (is_decided_by(program, comparison, Trait::of_interest))
                          return Answer::no;
                        if (is_decided_by(program, comparison, Trait::call))
                          return for_each_open(comparison);
                        if (is_known(field, comparison) && is_kind_of_opened(field))
                          return for_each_kind(comparison, field, open);
                        if (is_decided_by(program, comparison, Trait::open_mode) ||
                            is_decided_by(program, comparison, Trait::failed))
                          return PartialEvaluation::compare(comparison, field, *event,
                                                            std::span(&anybody, size_t{1}));
                        const bool by_name = is_decided_by(program, comparison, Trait::file_name) &&
                                             !comparison.matcher.only_texts().empty();
                        return by_name && !named ? Answer::no : Answer::maybe;
                      }});
}

}  // namespace picket::rule
