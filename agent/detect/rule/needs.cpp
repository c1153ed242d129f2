#include "agent/detect/rule/needs.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/rule/dispatch.h"

namespace picket::rule {
namespace {

constexpr size_t kNodes = 256;       // of one condition that are looked at
constexpr size_t kComparisons = 64;  // of one need
constexpr size_t kKeys = 1024;       // of one comparison
// An index has a price, each time: what fewer entries need is not worth it.
constexpr size_t kEntriesOfIndex = 4;

// The longest stretch of a shell pattern that stands for itself.
std::string_view literal_part(std::string_view pattern) {
  if (pattern.find_first_of("[\\") != pattern.npos) return {};
  std::string_view longest;
  while (!pattern.empty()) {
    const size_t end = std::min(pattern.size(), pattern.find_first_of("*?"));
    if (end > longest.size()) longest = pattern.substr(0, end);
    pattern.remove_prefix(std::min(pattern.size(), end + 1));
  }
  return longest;
}

class Chooser {
 public:
  Chooser(const Program& program, std::span<const Program::Entry> entries) : program_(program) {
    for (const Program::Entry& entry : entries) {
      nodes_left_ = kNodes;
      count(entry.condition);
    }
  }

  Need need_of(NodeId condition) {
    nodes_left_ = kNodes;
    const auto choice = choose(condition);
    return choice.has_value() ? choice->need : Need();
  }

 private:
  struct Choice {
    Need need;
    size_t price = 0;  // how many entries the worst of them makes candidates, and what it costs
  };

  bool spend() { return nodes_left_ > 0 && nodes_left_-- > 0; }

  // In how many conditions each comparison stands.
  void count(NodeId id) {
    if (id == kFalse || id == kTrue || !spend()) return;
    const Node& node = program_.nodes[id];
    if (node.kind == NodeKind::negation) return;
    if (node.kind == NodeKind::comparison) ++entries_with_[node.comparison];
    for (const NodeId part : node.parts) count(part);
  }

  std::optional<Choice> choose(NodeId id) {
    if (id == kFalse || id == kTrue || !spend()) return std::nullopt;
    const Node& node = program_.nodes[id];
    switch (node.kind) {
      case NodeKind::comparison:
        return choose_comparison(node.comparison);
      case NodeKind::all:
        return choose_one(node);
      case NodeKind::any:
        return choose_each(node);
      case NodeKind::negation:
      case NodeKind::constant:
        break;
    }
    return std::nullopt;
  }

  std::optional<Choice> choose_comparison(uint32_t index) {
    const CompiledComparison& comparison = program_.comparisons[index];
    if (comparison.right.has_value()) return std::nullopt;
    const Keys keys = keys_of(comparison.matcher);
    if (keys.size() == 0 || keys.size() > kKeys) return std::nullopt;
    // A search through a text takes longer than a look-up of it.
    const size_t price = keys.part.empty() ? (keys.prefixes.empty() ? 0 : 1) : 4;
    return Choice{{index}, 4 * entries_with_[index] + price};
  }

  std::optional<Choice> choose_one(const Node& node) {
    std::optional<Choice> best;
    for (const NodeId part : node.parts) {
      auto choice = choose(part);
      if (choice.has_value() && (!best.has_value() || choice->price < best->price))
        best = std::move(choice);
    }
    return best;
  }

  std::optional<Choice> choose_each(const Node& node) {
    Choice all;
    for (const NodeId part : node.parts) {
      const auto choice = choose(part);
      if (!choice.has_value() || all.need.size() + choice->need.size() > kComparisons)
        return std::nullopt;
      all.need.insert(all.need.end(), choice->need.begin(), choice->need.end());
      all.price = std::max(all.price, choice->price);
    }
    return all;
  }

  const Program& program_;
  absl::flat_hash_map<uint32_t, size_t> entries_with_;
  size_t nodes_left_ = 0;
};

}  // namespace

Keys keys_of(const Matcher& matcher) {
  Keys keys;
  const Operator op = matcher.op();
  if (const auto* text = std::get_if<std::string>(&matcher.right())) {
    if (op == Operator::equal) keys.texts = {*text};
    if (op == Operator::bstarts_with) keys.prefixes = {*text};
    if (op == Operator::ends_with) keys.suffix = *text;
    if (op == Operator::contains) keys.part = *text;
    if (op == Operator::glob) keys.part = literal_part(*text);
    if (keys.part.size() < kPartBytes) keys.part = {};
    if (keys.suffix.size() < kPartBytes) keys.suffix = {};
  } else if (const auto* set = std::get_if<Matcher::TextSet>(&matcher.right())) {
    if (op == Operator::in || op == Operator::intersects)
      keys.texts.assign(set->begin(), set->end());
  } else if (const auto* prefixes = std::get_if<PrefixList>(&matcher.right())) {
    keys.prefixes.assign(prefixes->prefixes().begin(), prefixes->prefixes().end());
  } else if (const auto* numbers = std::get_if<std::vector<int64_t>>(&matcher.right())) {
    if (op == Operator::equal || op == Operator::in || op == Operator::intersects)
      keys.numbers = *numbers;
  } else if (const auto* networks = std::get_if<std::vector<Network>>(&matcher.right())) {
    const bool single = std::ranges::all_of(
        *networks, [](const Network& one) { return one.prefix == (one.address.v6 ? 128 : 32); });
    if (single && op != Operator::not_equal)
      for (const Network& network : *networks) keys.texts.push_back(bytes_of(network.address));
  }
  return keys;
}

std::vector<Need> needs_of(const Program& program, std::span<const Program::Entry> entries) {
  Chooser chooser(program, entries);
  std::vector<Need> needs;
  absl::flat_hash_map<uint32_t, size_t> entries_of_slot;
  for (const Program::Entry& entry : entries) {
    needs.push_back(chooser.need_of(entry.condition));
    for (const uint32_t comparison : needs.back())
      ++entries_of_slot[program.comparisons[comparison].slot];
  }
  for (Need& need : needs) {
    const bool rare = std::ranges::any_of(need, [&](uint32_t comparison) {
      return entries_of_slot[program.comparisons[comparison].slot] < kEntriesOfIndex;
    });
    if (rare) need.clear();
  }
  return needs;
}

}  // namespace picket::rule
