#include "agent/detect/rule/implication.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "agent/detect/rule/needs.h"

namespace picket::rule {
namespace {

constexpr size_t kValues = 64;  // of one comparison

// What a text that the comparison accepts has in it for sure; of several beginnings each.
std::vector<std::string_view> certain_parts(const Matcher& matcher) {
  if (const auto* prefixes = std::get_if<PrefixList>(&matcher.right()))
    return {prefixes->prefixes().begin(), prefixes->prefixes().end()};
  const auto* text = std::get_if<std::string>(&matcher.right());
  const bool part = matcher.op() == Operator::ends_with || matcher.op() == Operator::contains;
  return text != nullptr && part ? std::vector<std::string_view>{*text}
                                 : std::vector<std::string_view>();
}

// Of two comparisons that look at the same end of a text, or anywhere in it.
bool parts_follow(const Matcher& narrow, const Matcher& wide) {
  const std::vector<std::string_view> parts = certain_parts(narrow);
  if (parts.empty() || parts.size() > kValues) return false;
  if (const auto* prefixes = std::get_if<PrefixList>(&wide.right())) {
    return narrow.op() == Operator::starts_with &&
           std::ranges::all_of(parts, [&](auto part) { return prefixes->matches(part); });
  }
  const auto* text = std::get_if<std::string>(&wide.right());
  if (text == nullptr) return false;
  return std::ranges::all_of(parts, [&](std::string_view part) {
    if (wide.op() == Operator::contains) return part.find(*text) != part.npos;
    return wide.op() == Operator::ends_with && narrow.op() == Operator::ends_with &&
           part.ends_with(*text);
  });
}

// From which number on, or up to which, a comparison holds.
struct Range {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();
};

std::optional<Range> range_of(const Matcher& matcher) {
  const auto* numbers = std::get_if<std::vector<int64_t>>(&matcher.right());
  if (numbers == nullptr || numbers->size() != 1) return std::nullopt;
  const int64_t number = numbers->front();
  Range range;
  switch (matcher.op()) {
    case Operator::less:
      if (number == range.least) return std::nullopt;
      range.most = number - 1;
      return range;
    case Operator::less_equal:
      range.most = number;
      return range;
    case Operator::greater:
      if (number == range.most) return std::nullopt;
      range.least = number + 1;
      return range;
    case Operator::greater_equal:
      range.least = number;
      return range;
    default:
      return std::nullopt;
  }
}

bool range_follows(const Matcher& narrow, const Matcher& wide) {
  const auto n = range_of(narrow), w = range_of(wide);
  return n.has_value() && w.has_value() && n->least >= w->least && n->most <= w->most;
}

bool networks_follow(const Matcher& narrow, const Matcher& wide) {
  const auto* n = std::get_if<std::vector<Network>>(&narrow.right());
  const auto* w = std::get_if<std::vector<Network>>(&wide.right());
  const bool both = n != nullptr && w != nullptr && n->size() <= kValues && w->size() <= kValues;
  if (!both || narrow.op() == Operator::not_equal || wide.op() == Operator::not_equal) return false;
  return std::ranges::all_of(*n, [&](const Network& one) {
    return std::ranges::any_of(*w, [&](const Network& other) {
      return other.prefix <= one.prefix && other.contains(one.address);
    });
  });
}

}  // namespace

bool Implication::follows(NodeId narrow, NodeId wide) {
  if (narrow == wide || wide == kTrue || narrow == kFalse) return true;
  if (narrow == kTrue || wide == kFalse || steps_ == 0) return false;
  --steps_;
  const Node& n = program_.nodes[narrow];
  const Node& w = program_.nodes[wide];
  if (n.kind == NodeKind::any)
    return std::ranges::all_of(n.parts, [&](NodeId part) { return follows(part, wide); });
  if (w.kind == NodeKind::all)
    return std::ranges::all_of(w.parts, [&](NodeId part) { return follows(narrow, part); });
  if (w.kind == NodeKind::any &&
      std::ranges::any_of(w.parts, [&](NodeId part) { return follows(narrow, part); }))
    return true;
  if (n.kind == NodeKind::all)
    return std::ranges::any_of(n.parts, [&](NodeId part) { return follows(part, wide); });
  if (n.kind == NodeKind::negation && w.kind == NodeKind::negation)
    return follows(w.parts.front(), n.parts.front());
  if (n.kind != NodeKind::comparison || w.kind != NodeKind::comparison) return false;
  return follows(program_.comparisons[n.comparison], program_.comparisons[w.comparison]);
}

bool Implication::follows(const CompiledComparison& narrow, const CompiledComparison& wide) {
  const FieldReference& field = program_.slots[narrow.slot];
  if (narrow.slot != wide.slot || narrow.right.has_value() || wide.right.has_value()) return false;
  if (wide.matcher.op() == Operator::exists) return true;
  if (field.values != Values::one) return false;
  if (parts_follow(narrow.matcher, wide.matcher) || range_follows(narrow.matcher, wide.matcher) ||
      networks_follow(narrow.matcher, wide.matcher)) {
    return true;
  }
  // Only a few values fit: do they fit there too?
  const Keys keys = keys_of(narrow.matcher);
  const bool all = keys.texts.size() + keys.numbers.size() == keys.size();
  if (!all || keys.size() == 0 || keys.size() > kValues || field.type == FieldType::ip)
    return false;
  FieldResult value;
  const auto fits = [&](const auto& one) {
    value.clear();
    value.add(one);
    return wide.matcher.matches(value);
  };
  return std::ranges::all_of(keys.texts, fits) && std::ranges::all_of(keys.numbers, fits);
}

}  // namespace picket::rule
