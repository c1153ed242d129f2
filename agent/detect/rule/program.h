// Compiled rules: one graph of conditions for all of them, in which equal parts exist once, and for
// each event type the rules that could match it, their conditions reduced by what the type already
// decides. Immutable plain data.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/rule/dispatch.h"
#include "agent/detect/rule/field.h"
#include "agent/detect/rule/matcher.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/sequence/sequence.h"

namespace picket::rule {

using NodeId = uint32_t;
constexpr uint32_t kWholeRule = ~uint32_t{0};  // in place of a step
constexpr NodeId kFalse = 0, kTrue = 1;        // nodes of every graph

enum class NodeKind : uint8_t { constant, all, any, negation, comparison };

struct Node {
  NodeKind kind = NodeKind::constant;
  uint32_t comparison = 0;    // index into Program::comparisons
  std::vector<NodeId> parts;  // all, any: in the order of evaluation; negation: one
};

struct CompiledComparison {
  uint32_t slot = 0;  // index into Program::slots
  Matcher matcher;
  std::string text;               // as a rule would say it
  std::optional<uint32_t> right;  // slot of the field that it is compared with
  // Of evt.type, which the event's type and call decide: the answers, by both.
  std::vector<bool> by_event;

  static size_t index_of(uint16_t type, uint16_t call) { return type * size_t{PK_CALL_END} + call; }
};

struct CompiledOutput {
  struct Part {
    std::string literal;  // in front of the field
    bool has_field = false;
    uint32_t slot = 0;
    uint32_t width = 0;  // of the printed field: cut or filled up with blanks; 0: as it is
  };
  std::vector<Part> parts;
};

struct Waiver {
  WaiverInfo info;
  NodeId condition = kTrue;
};

struct Program {
  struct Entry {
    uint32_t rule = 0;
    NodeId condition = kFalse;
    uint32_t step = kWholeRule;  // of the rule's sequence
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  std::vector<RuleInfo> rules;
  std::vector<CompiledOutput> outputs;  // of each rule
  std::vector<FieldReference> slots;    // fields that are read, each once
  std::vector<CompiledComparison> comparisons;
  std::vector<Node> nodes;
  std::array<std::vector<Entry>, PK_TYPE_END> by_type;  // of a sequence the last step first
  std::array<std::shared_ptr<const Dispatch>, PK_TYPE_END> dispatch;  // which of them could match
  std::map<uint32_t, Sequence> sequences;                             // by the rule's index
  std::vector<Waiver> waivers;
  std::map<uint32_t, std::vector<uint32_t>> waivers_of;  // by the rule's index
  std::shared_ptr<const FileClasses> file_classes = std::make_shared<FileClasses>();
};

}  // namespace picket::rule
