#include "agent/detect/rule/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/detect/rule/output_format.h"
#include "agent/detect/rule/parser.h"

namespace picket::rule {
namespace {

constexpr size_t kNesting = 32;  // of macros within macros, and of lists within lists
constexpr size_t kConditionBytes = 256 << 10;

bool takes_list(Operator op) {
  return op == Operator::in || op == Operator::intersects || op == Operator::pmatch;
}

// A bare word such as shell_binaries that stands alone in brackets was meant as the name of a list;
// one of 15 bytes may be the name of a process as the kernel cut it.
bool looks_like_list_name(const Literal& value) {
  constexpr size_t kCutName = PK_COMM_LEN - 1;
  return !value.quoted && value.text.size() != kCutName &&
         value.text.find('_') != std::string::npos && std::ranges::all_of(value.text, [](char c) {
           return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9');
         });
}

bool is_event_name(std::string_view name) {
  return std::ranges::any_of(event_rows(), [&](const EventRow& event) {
    return std::ranges::count(event_names(event.type), name) > 0;
  });
}

}  // namespace

std::unique_ptr<Program> Compiler::compile() {
  auto program = std::make_unique<Program>();
  // Unused definitions are checked like the others.
  for (const auto& [name, definition] : definitions_.lists) list(name);
  for (const auto& [name, definition] : definitions_.macros) {
    Expression use;
    use.macro = name;
    compile_macro(use, definition.name);
  }
  for (const RuleDefinition& rule : definitions_.rules) compile_rule(rule, *program);
  graph_.finish(*program);
  report_.rules = definitions_.rules.size();
  report_.macros = definitions_.macros.size();
  report_.lists = definitions_.lists.size();
  return program;
}

void Compiler::compile_rule(const RuleDefinition& rule, Program& program) {
  const auto condition = compile_text(rule.condition);
  auto output = compile_output(rule.output);
  if (!condition.has_value() || !output.has_value()) return;
  const auto index = static_cast<uint32_t>(program.rules.size());
  RuleInfo info = rule.info;
  for (const EventRow& event : event_rows()) {
    const NodeId special = graph_.specialise(*condition, event.type);
    if (special == kFalse) continue;
    info.events.emplace_back(event.name);
    if (info.enabled) program.by_type[event.type].push_back({index, special});
  }
  if (info.events.empty()) {
    report_.notes.push_back(diagnostic(
        rule.condition, 0,
        fmt::format("rule '{}' can never match: no event fits its condition", rule.name.value)));
  }
  program.rules.push_back(std::move(info));
  program.outputs.push_back(std::move(*output));
}

std::optional<NodeId> Compiler::compile_text(const SourceText& text) {
  if (text.value.size() > kConditionBytes) {
    return fail(text, 0, fmt::format("longer than {} KiB", kConditionBytes >> 10));
  }
  auto parsed = parse_condition(text.value);
  if (auto* error = std::get_if<SyntaxError>(&parsed)) {
    return fail(text, error->offset, std::move(error->message));
  }
  return compile(*std::get<std::unique_ptr<Expression>>(parsed), text);
}

std::optional<NodeId> Compiler::compile(const Expression& expression, const SourceText& text) {
  switch (expression.kind) {
    case Expression::Kind::all:
    case Expression::Kind::any:
      return compile_chain(expression, text);
    case Expression::Kind::negation: {
      const auto part = compile(*expression.children.front(), text);
      if (!part.has_value()) return std::nullopt;
      return graph_.negation(*part);
    }
    case Expression::Kind::macro:
      return compile_macro(expression, text);
    case Expression::Kind::comparison:
      return compile_comparison(expression, text);
  }
  return std::nullopt;
}

std::optional<NodeId> Compiler::compile_chain(const Expression& expression,
                                              const SourceText& text) {
  std::vector<NodeId> parts;
  bool valid = true;
  for (const auto& child : expression.children) {
    const auto part = compile(*child, text);
    if (part.has_value()) parts.push_back(*part);
    valid &= part.has_value();
  }
  if (!valid) return std::nullopt;
  return expression.kind == Expression::Kind::all ? graph_.all(parts) : graph_.any(parts);
}

std::optional<NodeId> Compiler::compile_macro(const Expression& use, const SourceText& text) {
  const auto definition = definitions_.macros.find(use.macro);
  if (definition == definitions_.macros.end()) {
    if (std::holds_alternative<FieldReference>(resolve_field(use.macro, std::nullopt))) {
      return fail(text, use.offset,
                  fmt::format("'{}' is a field and stands alone; an operator expected behind it",
                              use.macro));
    }
    return fail(
        text, use.offset,
        fmt::format("unknown macro '{}'; a macro's name or a comparison expected", use.macro));
  }
  const auto [known, fresh] = macros_.try_emplace(use.macro);
  Macro& macro = known->second;  // a node of std::map: stays where it is
  if (!fresh) {
    if (macro.done) return macro.node;
    return fail(text, use.offset, fmt::format("macro '{}' uses itself", use.macro));
  }
  if (depth_ >= kNesting) {
    macro.done = true;
    return fail(text, use.offset, fmt::format("macros nested deeper than {} levels", kNesting));
  }
  ++depth_;
  macro.node = compile_text(definition->second.condition);
  --depth_;
  macro.done = true;
  return macro.node;
}

std::optional<NodeId> Compiler::compile_comparison(const Expression& expression,
                                                   const SourceText& text) {
  const Comparison& comparison = expression.comparison;
  auto resolved = resolve_field(comparison.field, comparison.argument);
  if (auto* unknown = std::get_if<std::string>(&resolved)) {
    return fail(text, expression.offset, std::move(*unknown));
  }
  const auto& field = std::get<FieldReference>(resolved);
  if (std::string wrong = check_operator(field, comparison.op); !wrong.empty()) {
    return fail(text, comparison.op_offset, std::move(wrong));
  }
  auto right = values(field, comparison, text);
  if (!right.has_value()) return std::nullopt;
  return graph_.comparison(field, comparison.op, std::move(*right));
}

std::optional<std::vector<std::string>> Compiler::values(const FieldReference& field,
                                                         const Comparison& comparison,
                                                         const SourceText& text) {
  std::vector<std::string> values;
  bool valid = true;
  for (const Literal& value : comparison.values) {
    const bool may_be_list = takes_list(comparison.op) && !value.quoted;
    const List* expanded = may_be_list ? list(value.text) : nullptr;
    if (expanded != nullptr) {
      for (const std::string& item : expanded->values) {
        valid &= check(field, comparison.op, item, text, value.offset);
        values.push_back(item);
      }
      continue;
    }
    const bool alone = comparison.values.size() == 1 && field.text != "evt.type";
    if (comparison.list_by_name || (may_be_list && alone && looks_like_list_name(value))) {
      fail(text, value.offset,
           fmt::format("unknown list '{}'; the name of a list expected, or a value in quotes and "
                       "brackets",
                       value.text));
      valid = false;
      continue;
    }
    valid &= check(field, comparison.op, value.text, text, value.offset);
    note_unknown_event(field, value.text, text, value.offset);
    values.push_back(value.text);
  }
  if (!valid) return std::nullopt;
  return values;
}

bool Compiler::check(const FieldReference& field, Operator op, std::string_view value,
                     const SourceText& text, size_t offset) {
  std::string wrong = check_value(field, op, value);
  if (wrong.empty()) return true;
  fail(text, offset, std::move(wrong));
  return false;
}

void Compiler::note_unknown_event(const FieldReference& field, std::string_view value,
                                  const SourceText& text, size_t offset) {
  if (field.text != "evt.type" || is_event_name(value)) return;
  report_.notes.push_back(diagnostic(
      text, offset, fmt::format("no event is called '{}': this comparison is false", value)));
}

const Compiler::List* Compiler::list(std::string_view name) {
  const auto definition = definitions_.lists.find(name);
  if (definition == definitions_.lists.end()) return nullptr;
  const auto [known, fresh] = lists_.try_emplace(std::string(name));
  List& list_of_name = known->second;
  if (!fresh) return &list_of_name;  // within a circle: what it has until now, reported below
  if (depth_ >= kNesting) {
    fail(definition->second.name, 0, fmt::format("lists nested deeper than {} levels", kNesting));
    list_of_name.done = true;
    return &list_of_name;
  }
  ++depth_;
  for (const ListItem& item : definition->second.items) {
    const List* inner = item.quoted ? nullptr : list(item.text.value);
    if (inner == nullptr) {
      list_of_name.values.push_back(item.text.value);
    } else if (!inner->done) {
      fail(item.text, 0, fmt::format("list '{}' contains itself", item.text.value));
    } else {
      list_of_name.values.insert(list_of_name.values.end(), inner->values.begin(),
                                 inner->values.end());
    }
  }
  --depth_;
  std::ranges::sort(list_of_name.values);
  list_of_name.values.erase(std::unique(list_of_name.values.begin(), list_of_name.values.end()),
                            list_of_name.values.end());
  list_of_name.done = true;
  return &list_of_name;
}

std::optional<CompiledOutput> Compiler::compile_output(const SourceText& text) {
  auto parsed = parse_output(text.value);
  if (auto* error = std::get_if<SyntaxError>(&parsed)) {
    return fail(text, error->offset, std::move(error->message));
  }
  CompiledOutput output;
  bool valid = true;
  for (OutputPart& part : std::get<std::vector<OutputPart>>(parsed)) {
    CompiledOutput::Part compiled;
    compiled.literal = std::move(part.literal);
    if (part.field.has_value()) {
      auto resolved = resolve_field(part.field->name, part.field->argument);
      if (auto* unknown = std::get_if<std::string>(&resolved)) {
        fail(text, part.field->offset, std::move(*unknown));
        valid = false;
        continue;
      }
      compiled.has_field = true;
      compiled.slot = graph_.slot(std::get<FieldReference>(resolved));
    }
    output.parts.push_back(std::move(compiled));
  }
  if (!valid) return std::nullopt;
  return output;
}

std::nullopt_t Compiler::fail(const SourceText& text, size_t offset, std::string message) {
  report_.errors.push_back(diagnostic(text, offset, std::move(message)));
  return std::nullopt;
}

}  // namespace picket::rule
