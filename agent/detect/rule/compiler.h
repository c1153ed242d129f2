// Turns definitions into a program: expands lists and macros, checks every field, operator and
// value, and finds out on which events each rule can match. Lives for one load, on one thread.
// Errors: all that it finds, in the report; a program comes out whatever they are, and is of use
// only without them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/graph.h"
#include "agent/detect/rule/load_limits.h"
#include "agent/detect/rule/program.h"

namespace picket::rule {

class Compiler {
 public:
  Compiler(const Definitions& definitions, LoadReport& report)
      : definitions_(definitions), report_(report) {}

  std::unique_ptr<Program> compile();

 private:
  // What compiling a rule or a macro came upon.
  struct Trail {
    std::vector<Diagnostic> errors;
    bool only_unknown = true;                        // all errors are fields that do not exist
    std::map<std::string, std::string_view> gaps;    // fields that nothing fills, and why
    std::map<std::string, std::string_view> untold;  // events that none is here, and why
    std::set<std::string> macros;
  };
  struct Macro {
    bool done = false;    // false while it is compiled: a use then is a circle
    bool wanted = false;  // a rule that is loaded uses it
    std::optional<NodeId> node;
    Trail trail;
  };
  struct List {
    bool done = false;
    std::vector<std::string> values;
  };

  void note_unusable(std::string_view macro, const SourceText& at);
  void bind_file_classes(Program& program) const;
  void compile_rule(const RuleDefinition& rule, Program& program);
  std::optional<NodeId> compile_condition(const RuleDefinition& rule, const SourceText& text);
  NodeId special_for(NodeId condition, pk_type type);
  void note_never(const RuleDefinition& rule, const Trail& trail);
  void report_rule(const RuleDefinition& rule, const RuleInfo& info, const Trail& trail);
  void report_errors();

  std::optional<NodeId> compile_text(const SourceText& text);
  std::optional<NodeId> compile(const Expression& expression, const SourceText& text);
  std::optional<NodeId> compile_chain(const Expression& expression, const SourceText& text);
  std::optional<NodeId> compile_macro(const Expression& use, const SourceText& text);
  std::optional<CompiledOutput> compile_output(const SourceText& text);

  // compile_comparison.cpp
  std::optional<NodeId> compile_comparison(const Comparison& comparison, const SourceText& text);
  std::optional<NodeId> compile_fields(const FieldReference& left, const Comparison& comparison,
                                       const SourceText& text);
  std::optional<FieldReference> resolve(const Operand& operand, const SourceText& text);
  // The values of the right-hand side, lists expanded; nullopt: an error was reported.
  std::optional<std::vector<std::string>> values(const FieldReference& field,
                                                 const Comparison& comparison,
                                                 const SourceText& text);
  bool add_value(const FieldReference& field, Operator op, const Literal& value,
                 const SourceText& text, std::vector<std::string>& values);
  static bool looks_like_list_name(const Literal& value);
  const List* list_of(Operator op, Modifier modifier, const Literal& value);
  bool check(const FieldReference& field, Operator op, std::string_view value,
             const SourceText& text, size_t offset);
  const List* list(std::string_view name);
  std::string check_event_name(std::string_view name);

  // compile_sequence.cpp: its steps, the last one first; none: an error was reported.
  struct Part {
    uint32_t step = kWholeRule;
    NodeId condition = kFalse;
  };
  std::vector<Part> compile_parts(const RuleDefinition& rule);
  std::optional<Sequence> compile_sequence(const RuleDefinition& rule);
  void note_idle_steps(const RuleDefinition& rule, const std::vector<Part>& parts);

  // compile_scope.cpp
  std::optional<NodeId> compile_scope(const ScopeDefinition& scope);
  void compile_waiver(const WaiverDefinition& definition, Program& program);
  std::optional<std::vector<uint32_t>> rules_named(const SourceText& pattern,
                                                   const Program& program);

  // compile_exception.cpp
  std::optional<NodeId> compile_exception(const ExceptionDefinition& exception);
  std::optional<FieldReference> exception_field(const SourceText& name);
  std::optional<NodeId> compile_tuple(const ExceptionDefinition& exception,
                                      const ExceptionDefinition::Tuple& tuple);
  std::optional<NodeId> compile_part(const ExceptionDefinition& exception, size_t part,
                                     const std::vector<const ExceptionDefinition::Value*>& values);
  bool add_exception_value(const FieldReference& field, std::pair<Operator, Modifier> op,
                           const ExceptionDefinition::Value& value,
                           std::vector<std::string>& right);

  bool gives_up() const { return error_count_ >= kErrorsMax; }
  void note(const SourceText& text, size_t offset, std::string message);
  bool spend_on_list(const std::vector<std::string>& values, const SourceText& text, size_t offset);
  bool spend_on_one_of(size_t values, const SourceText& text, size_t offset);
  void want(const Trail& trail);
  std::nullopt_t fail(const SourceText& text, size_t offset, std::string message);
  std::nullopt_t keep_error(const SourceText& text, size_t offset, std::string message);
  std::nullopt_t fail_unknown(const SourceText& text, size_t offset, std::string message);

  const Definitions& definitions_;
  LoadReport& report_;
  Graph graph_;
  std::map<std::string, Macro, std::less<>> macros_;
  std::map<std::string, List, std::less<>> lists_;
  Trail lists_trail_;
  Trail* trail_ = &lists_trail_;
  std::vector<Diagnostic> rule_errors_;
  bool some_left_out_ = false;  // rules may be, and then what only they use may be unknown
  size_t error_count_ = 0;      // without unknown fields of macros that may be left out
  size_t unknown_count_ = 0;
  size_t list_bytes_ = 0, regex_instructions_ = 0;
  size_t waiver_steps_ = 0, one_of_values_ = 0;
  absl::flat_hash_map<std::string, uint32_t> rule_index_;  // of the program's rules
  size_t depth_ = 0;  // of macros within macros, lists within lists
};

}  // namespace picket::rule
