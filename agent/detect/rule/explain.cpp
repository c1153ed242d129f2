#include "agent/detect/rule/explain.h"

namespace picket {
namespace {

using rule::Node;
using rule::NodeKind;

constexpr size_t kLongest = 64 << 10;  // shared parts are written out each time they are used

class Writer {
 public:
  explicit Writer(const rule::Program& program) : program_(program) {}

  std::string write(rule::NodeId node) {
    text_.clear();
    append(node, NodeKind::constant);
    if (text_.size() > kLongest) text_ = text_.substr(0, kLongest) + " ...";
    return std::move(text_);
  }

 private:
  void append(rule::NodeId id, NodeKind outer) {
    if (text_.size() > kLongest) return;
    if (id == rule::kFalse || id == rule::kTrue) {
      text_ += id == rule::kTrue ? "always" : "never";
      return;
    }
    const Node& node = program_.nodes[id];
    switch (node.kind) {
      case NodeKind::comparison:
        text_ += program_.comparisons[node.comparison].text;
        return;
      case NodeKind::negation:
        text_ += "not ";
        append(node.parts.front(), NodeKind::negation);
        return;
      default:
        append_chain(node, outer);
    }
  }

  void append_chain(const Node& node, NodeKind outer) {
    const bool bracketed = outer != NodeKind::constant;
    const char* word = node.kind == NodeKind::all ? " and " : " or ";
    if (bracketed) text_ += '(';
    for (size_t i = 0; i < node.parts.size(); ++i) {
      if (i > 0) text_ += word;
      append(node.parts[i], node.kind);
    }
    if (bracketed) text_ += ')';
  }

  const rule::Program& program_;
  std::string text_;
};

}  // namespace

std::vector<ExplainedCondition> explain(const rule::Program& program, uint32_t rule) {
  std::vector<ExplainedCondition> conditions;
  Writer writer(program);
  for (const EventRow& event : event_rows()) {
    for (const rule::Program::Entry& entry : program.by_type[event.type]) {
      if (entry.rule != rule) continue;
      const bool whole = entry.step == rule::kWholeRule;
      conditions.push_back(
          {std::string(event.name), writer.write(entry.condition),
           whole ? std::string() : program.sequences.at(rule).steps[entry.step].name});
    }
  }
  return conditions;
}

}  // namespace picket
