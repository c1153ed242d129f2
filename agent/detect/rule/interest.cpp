#include "agent/detect/rule/interest.h"

#include <algorithm>
#include <set>

#include "agent/detect/rule/partial_evaluation.h"

namespace picket {
namespace rule {
namespace {

template <class Record>
Record empty_record(pk_type type) {
  Record record{};
  record.header.size = sizeof(record);
  record.header.type = type;
  record.header.abi = PK_ABI;
  return record;
}

bool is_decided_by(const Program& program, const CompiledComparison& comparison, Trait trait) {
  const FieldReference& field = program.slots[comparison.slot];
  const bool plain = field.transforms.empty() && !comparison.right.has_value();
  return plain && field.field != nullptr && field.field->trait == trait;
}

bool could_match(const Program& program, pk_type type, PartialEvaluation evaluation) {
  return std::ranges::any_of(program.by_type[type], [&](const Program::Entry& entry) {
    return evaluation.ask(entry.condition) != Answer::no;
  });
}

// Whether a rule could match what a call does, told as this type of event.
bool is_call_asked(const Program& program, pk_type type, pk_call call) {
  return could_match(program, type, {program, [&](const CompiledComparison& comparison) {
                                       if (!is_decided_by(program, comparison, Trait::call))
                                         return Answer::maybe;
                                       FieldResult names;
                                       for (const std::string_view name : event_names(type, call))
                                         names.add(name);
                                       return comparison.matcher.matches(names) ? Answer::yes
                                                                                : Answer::no;
                                     }});
}

// One kind of open. An open that makes a file is always told, so none of these does.
bool is_open_asked(const Program& program, uint32_t kind) {
  pk_open open = empty_record<pk_open>(PK_OPEN);
  open.reads = (kind & PK_OPENS_OF(1, 0, 0)) != 0;
  open.writes = (kind & PK_OPENS_OF(0, 1, 0)) != 0;
  const bool named = (kind & PK_OPENS_OF(0, 0, 1)) != 0;
  const auto event = Event::parse(std::as_bytes(std::span(&open, size_t{1})));
  if (!event.has_value()) return true;
  const Process anybody;
  return could_match(program, PK_OPEN,
                     {program, [&](const CompiledComparison& comparison) {
                        const FieldReference& field = program.slots[comparison.slot];
                        if (is_decided_by(program, comparison, Trait::of_interest))
                          return Answer::no;  // those are told anyway
                        if (is_decided_by(program, comparison, Trait::open_mode) ||
                            is_decided_by(program, comparison, Trait::failed))
                          return PartialEvaluation::compare(comparison, field, *event,
                                                            std::span(&anybody, size_t{1}));
                        const bool by_name = is_decided_by(program, comparison, Trait::file_name) &&
                                             !comparison.matcher.only_texts().empty();
                        return by_name && !named ? Answer::no : Answer::maybe;
                      }});
}

void collect_names(const Program& program, NodeId id, std::set<NodeId>& seen,
                   std::set<std::string>& names) {
  if (id == kFalse || id == kTrue || !seen.insert(id).second) return;
  const Node& node = program.nodes[id];
  for (const NodeId part : node.parts) collect_names(program, part, seen, names);
  if (node.kind != NodeKind::comparison) return;
  const CompiledComparison& comparison = program.comparisons[node.comparison];
  if (!is_decided_by(program, comparison, Trait::file_name)) return;
  for (const std::string_view path : comparison.matcher.only_texts()) {
    const size_t slash = path.rfind('/');
    const std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
    if (!name.empty()) names.emplace(name);
  }
}

}  // namespace
}  // namespace rule

Interest interest_of(const RuleSet& rules) {
  const rule::Program& program = rules.program();
  Interest interest{.calls = {}, .opens = {}, .names = {}, .marks = {}};
  for (const EventRow& event : event_rows()) {
    if (event.type == PK_EXEC)
      continue;  // told anyway: of its calls those that failed are asked for
    for (const pk_call call : rule::calls_of(event.type))
      if (!interest.calls[call])
        interest.calls[call] = rule::is_call_asked(program, event.type, call);
  }
  // Made by the agent out of these, among what is told anyway.
  if (!program.by_type[PK_RELAYED].empty())
    interest.calls[PK_CALL_accept] = interest.calls[PK_CALL_accept4] = true;
  for (uint32_t kind = 0; kind < PK_OPENS_KINDS; ++kind)
    interest.opens[kind] = rule::is_open_asked(program, kind);
  std::set<rule::NodeId> seen;
  std::set<std::string> names;
  for (const rule::Program::Entry& entry : program.by_type[PK_OPEN])
    rule::collect_names(program, entry.condition, seen, names);
  interest.names.assign(names.begin(), names.end());
  interest.marks = program.file_classes->names();
  return interest;
}

}  // namespace picket
