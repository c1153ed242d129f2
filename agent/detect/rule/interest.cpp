#include "agent/detect/rule/interest.h"

#include <set>
#include <vector>

#include "agent/detect/rule/could_match.h"

namespace picket {
namespace rule {
namespace {

std::vector<NodeId> conditions_of(const Program& program, pk_type type) {
  std::vector<NodeId> conditions;
  for (const Program::Entry& entry : program.by_type[type]) conditions.push_back(entry.condition);
  return conditions;
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
    const std::vector<rule::NodeId> conditions = rule::conditions_of(program, event.type);
    for (const pk_call call : rule::calls_of(event.type))
      if (!interest.calls[call])
        interest.calls[call] = rule::call_could_match(program, conditions, event.type, call);
  }
  // Made by the agent out of these, among what is told anyway.
  if (!program.by_type[PK_RELAYED].empty())
    interest.calls[PK_CALL_accept] = interest.calls[PK_CALL_accept4] = true;
  // Those of interest, by a handle, and those that make a file, are told anyway.
  const std::vector<rule::NodeId> opens = rule::conditions_of(program, PK_OPEN);
  for (uint32_t kind = 0; kind < PK_OPENS_KINDS; ++kind)
    interest.opens[kind] = rule::open_could_match(program, opens, kind);
  std::set<rule::NodeId> seen;
  std::set<std::string> names;
  for (const rule::Program::Entry& entry : program.by_type[PK_OPEN])
    rule::collect_names(program, entry.condition, seen, names);
  interest.names.assign(names.begin(), names.end());
  interest.marks = program.file_classes->names();
  return interest;
}

}  // namespace picket
