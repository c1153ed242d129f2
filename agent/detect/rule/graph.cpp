#include "agent/detect/rule/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace picket::rule {
namespace {

// What is longer is one node, however often it is used.
constexpr size_t kSharedParts = 32, kSharedValues = 32;

// A number that is never smaller than `least` decides some comparisons: evt.num >= 0 is how rules
// spell "always".
std::optional<bool> decided_by_least(const FieldReference& field, Operator op,
                                     const std::vector<std::string>& values) {
  if (field.field == nullptr || !field.field->least.has_value() || values.size() != 1 ||
      !field.transforms.empty()) {
    return std::nullopt;
  }
  const int64_t least = *field.field->least;
  const int64_t value = number_of(field, values.front()).value_or(0);
  switch (op) {
    case Operator::equal:
      return value < least ? std::optional(false) : std::nullopt;
    case Operator::not_equal:
      return value < least ? std::optional(true) : std::nullopt;
    case Operator::less:
      return value <= least ? std::optional(false) : std::nullopt;
    case Operator::less_equal:
      return value < least ? std::optional(false) : std::nullopt;
    case Operator::greater:
      return value < least ? std::optional(true) : std::nullopt;
    case Operator::greater_equal:
      return value <= least ? std::optional(true) : std::nullopt;
    default:
      return std::nullopt;
  }
}

// A length that is to be below nothing.
bool is_negative_length(const FieldReference& field, Operator op,
                        const std::vector<std::string>& values) {
  const bool length = !field.transforms.empty() && field.transforms.back() == Transform::length;
  if (!length || values.size() != 1) return false;
  const int64_t value = number_of(field, values.front()).value_or(0);
  return (op == Operator::less && value <= 0) ||
         (value < 0 && (op == Operator::equal || op == Operator::less_equal || op == Operator::in));
}

// The operator under which this one's values can stand in one set with those of others under an
// "or".
std::optional<Operator> merged_operator(const FieldReference& field, Operator op) {
  const bool text = field.type == FieldType::text || field.type == FieldType::list;
  if (op == Operator::starts_with && text) return Operator::starts_with;
  if (field.type == FieldType::boolean || field.values == Values::list) return std::nullopt;
  if (op == Operator::equal || op == Operator::in) return Operator::in;
  return std::nullopt;
}

constexpr std::string_view kEventType = "evt.type";

bool is_called(const Matcher& matcher, pk_type type, pk_call call) {
  FieldResult names;
  for (const std::string_view name : event_names(type, call)) names.add(name);
  return matcher.matches(names);
}

// What a matcher of evt.type says of each event; all calls that do not cause an event are one to
// it.
std::vector<bool> answers_by_event(const Matcher& matcher) {
  std::vector<bool> answers(CompiledComparison::index_of(PK_TYPE_END, 0));
  for (const EventRow& event : event_rows()) {
    const std::span<const pk_call> calls = calls_of(event.type);
    std::optional<bool> of_others;
    for (uint16_t id = 0; id < PK_CALL_END; ++id) {
      const auto call = static_cast<pk_call>(id);
      const bool causes = std::ranges::find(calls, call) != calls.end();
      if (!causes && !of_others.has_value()) of_others = is_called(matcher, event.type, call);
      answers[CompiledComparison::index_of(event.type, id)] =
          causes ? is_called(matcher, event.type, call) : *of_others;
    }
  }
  return answers;
}

std::string quoted_if_needed(const std::string& value) {
  constexpr std::string_view kNeedQuotes = " \t\n\r\"'(),=";
  const bool bare = !value.empty() && value.find_first_of(kNeedQuotes) == std::string::npos;
  return bare ? value : fmt::format("\"{}\"", value);
}

std::string written(const FieldReference& field, Operator op,
                    const std::vector<std::string>& values) {
  std::string text = fmt::format("{} {}", field.text, to_string(op));
  if (op == Operator::exists) return text;
  std::vector<std::string> printed;
  for (const std::string& value : values) printed.push_back(quoted_if_needed(value));
  const bool list = values.size() != 1 || op == Operator::in || op == Operator::intersects ||
                    op == Operator::pmatch;
  return list ? fmt::format("{} ({})", text, fmt::join(printed, ", "))
              : fmt::format("{} {}", text, printed.front());
}

}  // namespace

Graph::Graph() {
  nodes_.resize(2);  // kFalse and kTrue
  typeless_.assign(2, true);
}

uint32_t Graph::slot(const FieldReference& field) {
  const auto [at, fresh] =
      slot_by_text_.try_emplace(field.text, static_cast<uint32_t>(slots_.size()));
  if (fresh) slots_.push_back(field);
  return at->second;
}

NodeId Graph::intern(Node node, std::string key) {
  const auto [at, fresh] =
      node_by_key_.try_emplace(std::move(key), static_cast<NodeId>(nodes_.size()));
  if (!fresh) return at->second;
  const bool of_no_type =
      node.kind != NodeKind::comparison &&
      std::ranges::all_of(node.parts, [&](NodeId part) { return typeless_[part]; });
  typeless_.push_back(of_no_type);
  nodes_.push_back(std::move(node));
  return at->second;
}

bool Graph::is_typeless(const Test& test) const {
  const auto every_event = [&](uint32_t slot) {
    return slots_[slot].events == kAllEvents && slots_[slot].text != kEventType;
  };
  return every_event(test.slot) && (!test.right.has_value() || every_event(*test.right));
}

NodeId Graph::intern_test(Test test) {
  std::ranges::sort(test.values);
  test.values.erase(std::unique(test.values.begin(), test.values.end()), test.values.end());
  // Lengths keep values that contain the separator apart.
  std::string key = fmt::format("? {} {}", test.slot, static_cast<int>(test.op));
  if (test.right.has_value()) key += fmt::format(" ={}", *test.right);
  for (const std::string& value : test.values) key += fmt::format(" {}:{}", value.size(), value);
  Node node{NodeKind::comparison, static_cast<uint32_t>(tests_.size()), {}};
  const size_t before = nodes_.size();
  const NodeId id = intern(std::move(node), std::move(key));
  if (nodes_.size() > before) {
    typeless_[id] = is_typeless(test);
    tests_.push_back(std::move(test));
  }
  return id;
}

NodeId Graph::comparison(const FieldReference& field, Operator op,
                         std::vector<std::string> values) {
  if (!field.gap().empty()) return kFalse;
  if (op != Operator::exists && values.empty()) return kFalse;  // in an empty list
  if (const auto decided = decided_by_least(field, op, values)) return *decided ? kTrue : kFalse;
  if (is_negative_length(field, op, values)) return kFalse;
  const bool constant = field.field != nullptr && !field.field->constant.empty();
  if (constant && field.transforms.empty()) {
    FieldResult result;
    result.add(field.field->constant);
    return make_matcher(field, op, std::move(values)).matches(result) ? kTrue : kFalse;
  }
  return intern_test({slot(field), op, std::move(values), std::nullopt});
}

NodeId Graph::comparison_of_fields(const FieldReference& left, Operator op,
                                   const FieldReference& right) {
  if (!left.gap().empty() || !right.gap().empty()) return kFalse;
  return intern_test({slot(left), op, {}, slot(right)});
}

NodeId Graph::comparison_with_each(const FieldReference& field, Operator op, Modifier modifier,
                                   const std::vector<std::string>& values) {
  if (modifier == Modifier::none) return comparison(field, op, values);
  if (values.empty()) return kFalse;
  const bool single = field.values == Values::one;
  if (op == Operator::equal && modifier != Modifier::all_of && single) {
    return comparison(field, Operator::in, values);
  }
  std::vector<NodeId> parts;
  for (const std::string& value : values) parts.push_back(comparison(field, op, {value}));
  switch (modifier) {
    case Modifier::all_of:
      return all(parts);
    case Modifier::one_of:
      return exactly_one(parts);
    default:
      return any(parts);
  }
}

// One after the other: `one` holds when exactly one of those so far does, `none` when none does.
NodeId Graph::exactly_one(const std::vector<NodeId>& parts) {
  NodeId one = kFalse, none = kTrue;
  for (const NodeId part : parts) {
    const NodeId other = negation(part);
    one = any({all({one, other}), all({none, part})});
    none = all({none, other});
  }
  return one;
}

NodeId Graph::negation(NodeId part) {
  if (part == kFalse) return kTrue;
  if (part == kTrue) return kFalse;
  if (nodes_[part].kind == NodeKind::negation) return nodes_[part].parts.front();
  return intern({NodeKind::negation, 0, {part}}, fmt::format("! {}", part));
}

NodeId Graph::chain(NodeKind kind, const std::vector<NodeId>& parts) {
  const NodeId absorbing = kind == NodeKind::all ? kFalse : kTrue;
  const NodeId neutral = kind == NodeKind::all ? kTrue : kFalse;
  std::vector<NodeId> flat;
  absl::flat_hash_set<NodeId> seen;
  const auto append = [&](NodeId part) {
    if (part != neutral && seen.insert(part).second) flat.push_back(part);
  };
  for (const NodeId part : parts) {
    // A long one is shared as it is: written out at each of its uses it would fill the memory.
    const bool same = nodes_[part].kind == kind && nodes_[part].parts.size() <= kSharedParts;
    if (same) {
      for (const NodeId inner : nodes_[part].parts) append(inner);
    } else {
      append(part);
    }
  }
  if (seen.contains(absorbing)) return absorbing;
  if (excludes_itself(kind, flat, seen)) return absorbing;
  if (kind == NodeKind::any) merge_tests(flat);
  if (flat.empty()) return neutral;
  if (flat.size() == 1) return flat.front();
  std::string key = fmt::format("{} {}", kind == NodeKind::all ? '&' : '|', fmt::join(flat, " "));
  return intern({kind, 0, std::move(flat)}, std::move(key));
}

void Graph::merge_tests(std::vector<NodeId>& parts) {
  std::map<std::pair<uint32_t, Operator>, Test> merged;
  std::map<std::pair<uint32_t, Operator>, size_t> sizes;
  const auto key_of = [&](NodeId part) -> std::optional<std::pair<uint32_t, Operator>> {
    if (nodes_[part].kind != NodeKind::comparison) return std::nullopt;
    const Test& test = tests_[nodes_[part].comparison];
    const auto op = merged_operator(slots_[test.slot], test.op);
    const bool small = test.values.size() <= kSharedValues;
    if (!op.has_value() || test.right.has_value() || !small) return std::nullopt;
    return std::pair(test.slot, *op);
  };
  for (const NodeId part : parts) {
    if (const auto key = key_of(part)) ++sizes[*key];
  }
  std::vector<NodeId> kept;
  for (const NodeId part : parts) {
    const auto key = key_of(part);
    if (!key.has_value() || sizes[*key] < 2) {
      kept.push_back(part);
      continue;
    }
    Test& test = merged[*key];
    test.slot = key->first;
    test.op = key->second;
    const std::vector<std::string>& values = tests_[nodes_[part].comparison].values;
    test.values.insert(test.values.end(), values.begin(), values.end());
  }
  std::vector<NodeId> sets;
  for (auto& [key, test] : merged) sets.push_back(intern_test(std::move(test)));
  // One look-up in a set goes in front of whatever else there is to test.
  kept.insert(kept.begin(), sets.begin(), sets.end());
  parts = std::move(kept);
}

bool Graph::asks_for(NodeId node, std::span<const std::string_view> fields) const {
  std::vector<NodeId> open{node};
  absl::flat_hash_set<NodeId> seen;
  while (!open.empty()) {
    const NodeId next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    const Node& one = nodes_[next];
    open.insert(open.end(), one.parts.begin(), one.parts.end());
    if (one.kind != NodeKind::comparison) continue;
    const Test& test = tests_[one.comparison];
    const auto is_asked = [&](uint32_t slot) {
      return std::ranges::count(fields, slots_[slot].text) != 0;
    };
    if (is_asked(test.slot) || (test.right.has_value() && is_asked(*test.right))) return true;
  }
  return false;
}

NodeId Graph::specialise(NodeId node, pk_type type, FailedExecs execs) {
  if (typeless_[node]) return node;
  const uint64_t key =
      uint64_t{node} << 32 | static_cast<uint64_t>(execs) << 16 | static_cast<uint64_t>(type);
  if (const auto known = specialised_.find(key); known != specialised_.end()) return known->second;
  const NodeId result = specialise_new(node, type, execs);
  specialised_.emplace(key, result);
  return result;
}

NodeId Graph::specialise_new(NodeId node, pk_type type, FailedExecs execs) {
  const NodeKind kind = nodes_[node].kind;
  if (kind == NodeKind::comparison) return specialise_test(node, type, execs);
  // Copied: making nodes moves them.
  const std::vector<NodeId> parts = nodes_[node].parts;
  if (kind == NodeKind::negation) return negation(specialise(parts.front(), type, execs));
  const NodeId absorbing = kind == NodeKind::all ? kFalse : kTrue;
  std::vector<NodeId> special;
  for (const NodeId part : parts) {
    special.push_back(specialise(part, type, execs));
    if (special.back() == absorbing) return absorbing;
  }
  return special == parts ? node : chain(kind, special);
}

NodeId Graph::specialise_test(NodeId node, pk_type type, FailedExecs execs) {
  const Test& test = tests_[nodes_[node].comparison];
  const FieldReference& field = slots_[test.slot];
  if ((field.events & mask_of(type)) == 0) return kFalse;
  if (test.right.has_value()) {
    return (slots_[*test.right].events & mask_of(type)) == 0 ? kFalse : node;
  }
  if (field.text != kEventType) return node;
  // Which call it was is known only when it comes; what is true of each needs no question.
  const Matcher matcher = make_matcher(field, test.op, test.values);
  size_t possible = 0, matching = 0;
  for (const pk_call call : calls_of(type)) {
    const bool is_exec = call == PK_CALL_execve || call == PK_CALL_execveat;
    if (execs != FailedExecs::counted && is_exec != (execs == FailedExecs::alone)) continue;
    ++possible;
    if (is_called(matcher, type, call)) ++matching;
  }
  if (matching == 0) return kFalse;
  return matching == possible ? kTrue : node;
}

CompiledComparison Graph::compiled(const Test& test) const {
  const FieldReference& field = slots_[test.slot];
  if (!test.right.has_value()) {
    Matcher matcher = make_matcher(field, test.op, test.values);
    std::vector<bool> by_event;
    if (field.text == kEventType) by_event = answers_by_event(matcher);
    return {test.slot, std::move(matcher), written(field, test.op, test.values), std::nullopt,
            std::move(by_event)};
  }
  return {test.slot,
          make_field_matcher(field, test.op),
          fmt::format("{} {} val({})", field.text, to_string(test.op), slots_[*test.right].text),
          test.right,
          {}};
}

NodeId Graph::move(NodeId id, Program& program) {
  if (id == kFalse || id == kTrue) return id;
  if (const auto known = moved_.find(id); known != moved_.end()) return known->second;
  Node node = nodes_[id];
  for (NodeId& part : node.parts) part = move(part, program);
  if (node.kind == NodeKind::comparison) {
    const Test& test = tests_[node.comparison];
    node.comparison = static_cast<uint32_t>(program.comparisons.size());
    program.comparisons.push_back(compiled(test));
  }
  const auto moved = static_cast<NodeId>(program.nodes.size());
  program.nodes.push_back(std::move(node));
  moved_.emplace(id, moved);
  return moved;
}

void Graph::finish(Program& program) {
  program.nodes.assign(2, Node{});
  for (auto& entries : program.by_type) {
    for (Program::Entry& entry : entries) entry.condition = move(entry.condition, program);
  }
  for (Waiver& waiver : program.waivers) waiver.condition = move(waiver.condition, program);
  program.slots = std::move(slots_);
  std::vector<pk_type> different;  // types of which no two have the same entries
  for (pk_type type = PK_NONE; type < PK_TYPE_END; type = static_cast<pk_type>(type + 1)) {
    const auto same = std::ranges::find_if(
        different, [&](pk_type other) { return program.by_type[other] == program.by_type[type]; });
    if (same != different.end()) {
      program.dispatch[type] = program.dispatch[*same];
      continue;
    }
    program.dispatch[type] = std::make_shared<const Dispatch>(program, type);
    different.push_back(type);
  }
}

}  // namespace picket::rule
