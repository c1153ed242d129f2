#include "agent/detect/rule/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace picket::rule {
namespace {

// A number that is never smaller than `least` decides some comparisons: evt.num >= 0 is how rules
// spell "always".
std::optional<bool> decided_by_least(const FieldReference& field, Operator op,
                                     const std::vector<std::string>& values) {
  if (field.field == nullptr || !field.field->least.has_value() || values.size() != 1) {
    return std::nullopt;
  }
  const int64_t least = *field.field->least;
  const int64_t value = std::strtoll(values.front().c_str(), nullptr, 0);
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

// The operator under which this one's values can stand in one set with those of others under an
// "or".
std::optional<Operator> merged_operator(const FieldReference& field, Operator op) {
  const bool text = field.type == FieldType::text || field.type == FieldType::list;
  if (op == Operator::starts_with && text) return Operator::starts_with;
  if (field.type == FieldType::boolean || field.values == Values::list) return std::nullopt;
  if (op == Operator::equal || op == Operator::in) return Operator::in;
  return std::nullopt;
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
  if (fresh) nodes_.push_back(std::move(node));
  return at->second;
}

NodeId Graph::intern_test(Test test) {
  std::ranges::sort(test.values);
  test.values.erase(std::unique(test.values.begin(), test.values.end()), test.values.end());
  // Lengths keep values that contain the separator apart.
  std::string key = fmt::format("? {} {}", test.slot, static_cast<int>(test.op));
  for (const std::string& value : test.values) key += fmt::format(" {}:{}", value.size(), value);
  Node node{NodeKind::comparison, static_cast<uint32_t>(tests_.size()), {}};
  const size_t before = nodes_.size();
  const NodeId id = intern(std::move(node), std::move(key));
  if (nodes_.size() > before) tests_.push_back(std::move(test));
  return id;
}

NodeId Graph::comparison(const FieldReference& field, Operator op,
                         std::vector<std::string> values) {
  if (op != Operator::exists && values.empty()) return kFalse;  // in an empty list
  if (const auto decided = decided_by_least(field, op, values)) return *decided ? kTrue : kFalse;
  if (field.field != nullptr && !field.field->constant.empty()) {
    FieldResult result;
    result.add(field.field->constant);
    return make_matcher(field, op, std::move(values)).matches(result) ? kTrue : kFalse;
  }
  return intern_test({slot(field), op, std::move(values)});
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
  const auto append = [&](NodeId part) {
    if (part != neutral && std::ranges::find(flat, part) == flat.end()) flat.push_back(part);
  };
  for (const NodeId part : parts) {
    if (nodes_[part].kind == kind) {
      for (const NodeId inner : nodes_[part].parts) append(inner);
    } else {
      append(part);
    }
  }
  if (std::ranges::find(flat, absorbing) != flat.end()) return absorbing;
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
    if (!op.has_value()) return std::nullopt;
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

NodeId Graph::specialise(NodeId node, pk_type type) {
  if (node == kFalse || node == kTrue) return node;
  const uint64_t key = uint64_t{node} << 32 | static_cast<uint64_t>(type);
  if (const auto known = specialised_.find(key); known != specialised_.end()) return known->second;
  const NodeId result = specialise_new(node, type);
  specialised_.emplace(key, result);
  return result;
}

NodeId Graph::specialise_new(NodeId node, pk_type type) {
  const NodeKind kind = nodes_[node].kind;
  if (kind == NodeKind::comparison) return specialise_test(node, type);
  // Copied: making nodes moves them.
  const std::vector<NodeId> parts = nodes_[node].parts;
  if (kind == NodeKind::negation) return negation(specialise(parts.front(), type));
  std::vector<NodeId> special;
  for (const NodeId part : parts) special.push_back(specialise(part, type));
  return chain(kind, special);
}

NodeId Graph::specialise_test(NodeId node, pk_type type) {
  const Test& test = tests_[nodes_[node].comparison];
  const FieldReference& field = slots_[test.slot];
  if ((field.events & mask_of(type)) == 0) return kFalse;
  if (field.text != "evt.type") return node;
  FieldResult names;
  for (const std::string_view name : event_names(type)) names.add(name);
  return make_matcher(field, test.op, test.values).matches(names) ? kTrue : kFalse;
}

NodeId Graph::move(NodeId id, Program& program) {
  if (id == kFalse || id == kTrue) return id;
  if (const auto known = moved_.find(id); known != moved_.end()) return known->second;
  Node node = nodes_[id];
  for (NodeId& part : node.parts) part = move(part, program);
  if (node.kind == NodeKind::comparison) {
    const Test& test = tests_[node.comparison];
    node.comparison = static_cast<uint32_t>(program.comparisons.size());
    program.comparisons.push_back({test.slot, make_matcher(slots_[test.slot], test.op, test.values),
                                   written(slots_[test.slot], test.op, test.values)});
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
  program.slots = std::move(slots_);
}

}  // namespace picket::rule
