// Builds the graph of conditions: equal parts become one node, constants are folded, comparisons of
// one field that stand side by side under an "or" become one set. Used by the compiler on one
// thread, for one load. Errors: none; operators and values are checked before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/detect/rule/program.h"

namespace picket::rule {

enum class FailedExecs : uint8_t { counted, left_out, alone };

class Graph {
 public:
  Graph();

  uint32_t slot(const FieldReference& field);  // the same for the same field

  NodeId comparison(const FieldReference& field, Operator op, std::vector<std::string> values);
  NodeId comparison_of_fields(const FieldReference& left, Operator op, const FieldReference& right);
  // `field op MODIFIER (values)`
  NodeId comparison_with_each(const FieldReference& field, Operator op, Modifier modifier,
                              const std::vector<std::string>& values);
  NodeId all(const std::vector<NodeId>& parts) { return chain(NodeKind::all, parts); }
  NodeId any(const std::vector<NodeId>& parts) { return chain(NodeKind::any, parts); }
  NodeId negation(NodeId part);

  // Whether `node` asks for one of these fields.
  bool asks_for(NodeId node, std::span<const std::string_view> fields) const;

  // `node` for events of one type: what the type decides is folded away. `execs`: whether an exec
  // that failed, which is told as PK_SYSTEM, is one of them.
  NodeId specialise(NodeId node, pk_type type, FailedExecs execs = FailedExecs::counted);

  // Moves slots, comparisons and the nodes that `program.by_type` can reach into the program, and
  // renumbers its entries.
  void finish(Program& program);

 private:
  struct Test {
    uint32_t slot = 0;
    Operator op = Operator::exists;
    std::vector<std::string> values;  // sorted, each once
    std::optional<uint32_t> right;    // slot of the field that stands in place of values
  };

  NodeId intern(Node node, std::string key);
  NodeId intern_test(Test test);
  bool is_typeless(const Test& test) const;
  NodeId chain(NodeKind kind, const std::vector<NodeId>& parts);
  NodeId exactly_one(const std::vector<NodeId>& parts);
  CompiledComparison compiled(const Test& test) const;
  bool excludes_itself(NodeKind kind, const std::vector<NodeId>& parts,
                       const absl::flat_hash_set<NodeId>& seen) const;
  bool none_fits(const std::vector<NodeId>& parts) const;
  void merge_tests(std::vector<NodeId>& parts);
  NodeId specialise_new(NodeId node, pk_type type, FailedExecs execs);
  NodeId specialise_test(NodeId node, pk_type type, FailedExecs execs);
  NodeId move(NodeId node, Program& program);

  std::vector<FieldReference> slots_;
  absl::flat_hash_map<std::string, uint32_t> slot_by_text_;
  std::vector<Test> tests_;
  std::vector<Node> nodes_;
  std::vector<bool> typeless_;  // of each node: it is the same for events of every type
  absl::flat_hash_map<std::string, NodeId> node_by_key_;
  absl::flat_hash_map<uint64_t, NodeId> specialised_;
  absl::flat_hash_map<NodeId, NodeId> moved_;
};

}  // namespace picket::rule
