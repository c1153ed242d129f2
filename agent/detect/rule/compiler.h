// Turns definitions into a program: expands lists and macros, checks every field, operator and
// value, and finds out on which events each rule can match. Lives for one load, on one thread.
// Errors: all that it finds, in the report; a program comes out whatever they are, and is of use
// only without them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/graph.h"
#include "agent/detect/rule/program.h"

namespace picket::rule {

class Compiler {
 public:
  Compiler(const Definitions& definitions, LoadReport& report)
      : definitions_(definitions), report_(report) {}

  std::unique_ptr<Program> compile();

 private:
  struct Macro {
    bool done = false;  // false while it is compiled: a use then is a circle
    std::optional<NodeId> node;
  };
  struct List {
    bool done = false;
    std::vector<std::string> values;
  };

  void compile_rule(const RuleDefinition& rule, Program& program);
  std::optional<NodeId> compile_text(const SourceText& text);
  std::optional<NodeId> compile(const Expression& expression, const SourceText& text);
  std::optional<NodeId> compile_chain(const Expression& expression, const SourceText& text);
  std::optional<NodeId> compile_macro(const Expression& use, const SourceText& text);
  std::optional<NodeId> compile_comparison(const Expression& expression, const SourceText& text);
  std::optional<CompiledOutput> compile_output(const SourceText& text);

  // The values of the right-hand side, lists expanded; nullopt: an error was reported.
  std::optional<std::vector<std::string>> values(const FieldReference& field,
                                                 const Comparison& comparison,
                                                 const SourceText& text);
  bool check(const FieldReference& field, Operator op, std::string_view value,
             const SourceText& text, size_t offset);
  const List* list(std::string_view name);
  void note_unknown_event(const FieldReference& field, std::string_view value,
                          const SourceText& text, size_t offset);

  std::nullopt_t fail(const SourceText& text, size_t offset, std::string message);

  const Definitions& definitions_;
  LoadReport& report_;
  Graph graph_;
  std::map<std::string, Macro, std::less<>> macros_;
  std::map<std::string, List, std::less<>> lists_;
  size_t depth_ = 0;  // of macros within macros, lists within lists
};

}  // namespace picket::rule
