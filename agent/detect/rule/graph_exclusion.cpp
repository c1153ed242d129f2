// The graph's part for conditions that exclude themselves.
#include <algorithm>
#include <map>
#include <optional>

#include "agent/detect/rule/graph.h"
#include "agent/detect/rule/value_bounds.h"

namespace picket::rule {
namespace {

// What a field is that equals `value`; nullopt: one of several, as of a network.
std::optional<FieldValue> only_value(const FieldReference& field, const std::string& value) {
  switch (field.type) {
    case FieldType::text:
      return std::string_view(value);
    case FieldType::number:
      return number_of(field, value).value_or(0);
    case FieldType::boolean:
      return value == "true" || value == "1";
    case FieldType::ip: {
      const auto network = std::get<Network>(parse_network(value, false));
      if (network.prefix == (network.address.v6 ? 128 : 32)) return network.address;
      return std::nullopt;
    }
    case FieldType::list:
      break;
  }
  return std::nullopt;
}

}  // namespace

// x and not x; x or not x; one value that is to be two.
bool Graph::excludes_itself(NodeKind kind, const std::vector<NodeId>& parts,
                            const absl::flat_hash_set<NodeId>& seen) const {
  std::map<uint32_t, ValueBounds> bounds;  // by slot
  std::map<uint32_t, std::vector<NodeId>> by_slot;
  for (const NodeId part : parts) {
    const Node& node = nodes_[part];
    const bool negated = node.kind == NodeKind::negation;
    if (negated && seen.contains(node.parts.front())) return true;
    const Node& inner = negated ? nodes_[node.parts.front()] : node;
    if (kind != NodeKind::all || inner.kind != NodeKind::comparison) continue;
    const Test& test = tests_[inner.comparison];
    const FieldReference& field = slots_[test.slot];
    if (test.right.has_value() || field.values != Values::one) continue;
    by_slot[test.slot].push_back(part);
    if (negated) continue;
    if (!bounds.try_emplace(test.slot).first->second.narrow(field, test.op, test.values))
      return true;
  }
  return std::ranges::any_of(by_slot, [this](const auto& one) { return none_fits(one.second); });
}

// Of parts about one field with one value: where one of them names all that it can be, and each of
// these is refused by another.
bool Graph::none_fits(const std::vector<NodeId>& parts) const {
  constexpr size_t kFew = 32;  // values, parts: what is more is not looked at
  if (parts.size() < 2 || parts.size() > kFew) return false;
  const auto test_of = [this](NodeId part) -> const Test& {
    const Node& node = nodes_[part];
    const bool negated = node.kind == NodeKind::negation;
    return tests_[(negated ? nodes_[node.parts.front()] : node).comparison];
  };
  const auto naming = std::ranges::find_if(parts, [&](NodeId part) {
    const Test& test = test_of(part);
    return nodes_[part].kind == NodeKind::comparison && test.values.size() <= kFew &&
           (test.op == Operator::equal || test.op == Operator::in ||
            test.op == Operator::intersects);
  });
  if (naming == parts.end()) return false;
  const Test& named = test_of(*naming);
  const FieldReference& field = slots_[named.slot];
  std::vector<FieldValue> left;
  for (const std::string& value : named.values) {
    const auto only = only_value(field, value);
    if (!only.has_value()) return false;
    left.push_back(*only);
  }
  for (const NodeId part : parts) {
    const Test& test = test_of(part);
    if (part == *naming || test.op == Operator::regex || test.values.size() > kFew) continue;
    const Matcher matcher = make_matcher(field, test.op, test.values);
    const bool negated = nodes_[part].kind == NodeKind::negation;
    std::erase_if(left, [&](const FieldValue& value) {
      FieldResult result;
      result.add(value);
      return matcher.matches(result) == negated;
    });
  }
  return left.empty();
}

}  // namespace picket::rule
