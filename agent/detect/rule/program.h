// Compiled rules: one graph of conditions for all of them, in which equal parts exist once, and for
// each event type the rules that could match it, their conditions reduced by what the type already
// decides. Immutable plain data.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/detect/rule/field.h"
#include "agent/detect/rule/matcher.h"
#include "agent/detect/rule/rule_set.h"

namespace picket::rule {

using NodeId = uint32_t;
constexpr NodeId kFalse = 0, kTrue = 1;  // nodes of every graph

enum class NodeKind : uint8_t { constant, all, any, negation, comparison };

struct Node {
  NodeKind kind = NodeKind::constant;
  uint32_t comparison = 0;    // index into Program::comparisons
  std::vector<NodeId> parts;  // all, any: in the order of evaluation; negation: one
};

struct CompiledComparison {
  uint32_t slot = 0;  // index into Program::slots
  Matcher matcher;
  std::string text;  // as a rule would say it
};

struct CompiledOutput {
  struct Part {
    std::string literal;  // in front of the field
    bool has_field = false;
    uint32_t slot = 0;
  };
  std::vector<Part> parts;
};

struct Program {
  struct Entry {
    uint32_t rule = 0;
    NodeId condition = kFalse;
  };

  std::vector<RuleInfo> rules;
  std::vector<CompiledOutput> outputs;  // of each rule
  std::vector<FieldReference> slots;    // fields that are read, each once
  std::vector<CompiledComparison> comparisons;
  std::vector<Node> nodes;
  std::array<std::vector<Entry>, PK_TYPE_END> by_type;
};

}  // namespace picket::rule
