#include "agent/detect/rule/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "agent/detect/rule/output_format.h"
#include "agent/detect/rule/parser.h"

namespace picket::rule {
namespace {

constexpr size_t kNesting = 32;  // of macros within macros
constexpr size_t kConditionBytes = 256 << 10;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void keep_first_of_each(std::vector<std::string>& texts) {
  absl::flat_hash_set<std::string> seen;
  std::erase_if(texts, [&](const std::string& text) { return !seen.insert(text).second; });
}

}  // namespace

std::unique_ptr<Program> Compiler::compile() {
  auto program = std::make_unique<Program>();
  some_left_out_ = !definitions_.foreign_rules.empty() ||
                   std::ranges::any_of(definitions_.rules, &RuleDefinition::skip_unknown);
  // Unused definitions are checked like the others.
  for (const auto& [name, definition] : definitions_.lists) list(name);
  for (const auto& [name, definition] : definitions_.macros) {
    if (gives_up()) break;
    note_unusable(name, definition.name);
    Expression use;
    use.macro = name;
    compile_macro(use, definition.name);
  }
  for (const RuleDefinition& rule : definitions_.rules) {
    if (gives_up()) break;
    compile_rule(rule, *program);
  }
  for (const WaiverDefinition& waiver : definitions_.waivers) {
    if (gives_up()) break;
    compile_waiver(waiver, *program);
  }
  report_errors();
  graph_.finish(*program);
  bind_file_classes(*program);
  report_.rules = program->rules.size();
  report_.macros = definitions_.macros.size();
  report_.lists = definitions_.lists.size();
  return program;
}

// A macro that no condition can name, as a blank or a word of the language is in the way.
void Compiler::note_unusable(std::string_view macro, const SourceText& at) {
  const auto parsed = parse_condition(macro);
  const auto* use = std::get_if<std::unique_ptr<Expression>>(&parsed);
  if (use != nullptr && (*use)->kind == Expression::Kind::macro && (*use)->macro == macro) return;
  note(at, 0,
       fmt::format("no condition can name the macro '{}'; a name of letters, digits, '_', '-' and "
                   "'.' expected",
                   macro));
}

void Compiler::bind_file_classes(Program& program) const {
  std::vector<FileClass> classes;
  for (const auto& [name, one] : definitions_.file_classes) classes.push_back(one);
  program.file_classes = std::make_shared<FileClasses>(std::move(classes));
  for (FieldReference& field : program.slots) field.file_classes = program.file_classes;
}

void Compiler::compile_rule(const RuleDefinition& rule, Program& program) {
  Trail trail;
  trail_ = &trail;
  const std::vector<Part> parts = compile_parts(rule);
  auto sequence = compile_sequence(rule);
  auto output = compile_output(rule.output);
  trail_ = &lists_trail_;
  if (parts.empty() || !output.has_value() || rule.sequence.has_value() != sequence.has_value()) {
    if (rule.skip_unknown && trail.only_unknown) {
      note(rule.name, 0,
           fmt::format("rule '{}' is left out: it names a field that does not exist, and says "
                       "'skip-if-unknown-filter'",
                       rule.name.value));
      return;
    }
    want(trail);
    std::ranges::move(trail.errors, std::back_inserter(rule_errors_));
    return;
  }
  const auto index = static_cast<uint32_t>(program.rules.size());
  RuleInfo info = rule.info;
  keep_first_of_each(info.tags);
  info.condition = trimmed(rule.condition.value);
  info.output = trimmed(rule.output.value);
  for (const EventRow& event : event_rows()) {
    bool asked = false;
    for (const Part& part : parts) {
      const NodeId special = special_for(part.condition, event.type);
      if (special == kFalse) continue;
      asked = true;
      if (info.enabled) program.by_type[event.type].push_back({index, special, part.step});
    }
    if (asked) info.events.emplace_back(event.name);
  }
  if (sequence.has_value()) {
    note_idle_steps(rule, parts);
    program.sequences.emplace(index, *std::move(sequence));
  }
  report_rule(rule, info, trail);
  rule_index_.emplace(info.name, index);
  program.rules.push_back(std::move(info));
  program.outputs.push_back(std::move(*output));
}

// To a rule evt.type = execve says that a program runs. One that failed to is a system call like
// others, for rules that ask how a call ended.
NodeId Compiler::special_for(NodeId condition, pk_type type) {
  constexpr std::array<std::string_view, 3> kEnds{"evt.res", "evt.rawres", "evt.failed"};
  if (type != PK_SYSTEM || graph_.asks_for(condition, kEnds))
    return graph_.specialise(condition, type);
  const NodeId others = graph_.specialise(condition, type, FailedExecs::left_out);
  if (others == kFalse || graph_.specialise(condition, type, FailedExecs::alone) == kFalse)
    return others;
  static const auto kEventType = std::get<FieldReference>(resolve_field("evt.type", std::nullopt));
  const NodeId exec = graph_.comparison(kEventType, Operator::in, {"execve", "execveat"});
  return graph_.all({others, graph_.negation(exec)});
}

// `text` with the rule's exceptions and scope.
std::optional<NodeId> Compiler::compile_condition(const RuleDefinition& rule,
                                                  const SourceText& text) {
  std::vector<NodeId> parts;
  bool valid = true;
  const auto add = [&](std::optional<NodeId> part) {
    valid &= part.has_value();
    if (part.has_value()) parts.push_back(*part);
  };
  add(compile_text(text));
  add(compile_scope(rule.scope));
  for (const ExceptionDefinition& exception : rule.exceptions) {
    const auto excepted = compile_exception(exception);
    add(excepted.has_value() ? std::optional(graph_.negation(*excepted)) : std::nullopt);
  }
  if (!valid) return std::nullopt;
  return graph_.all(parts);
}

// Of fields and events that there are elsewhere.
void Compiler::note_never(const RuleDefinition& rule, const Trail& trail) {
  const auto by_reason = [](const std::map<std::string, std::string_view>& reasons) {
    std::map<std::string_view, std::string> names;
    for (const auto& [name, why] : reasons) {
      std::string& all = names[why];
      all += all.empty() ? name : ", " + name;
    }
    return names;
  };
  for (const auto& [why, fields] : by_reason(trail.gaps)) {
    note(rule.name, 0,
         fmt::format("rule '{}' asks for {}: never a value here, as {}", rule.name.value, fields,
                     why));
  }
  for (const auto& [why, events] : by_reason(trail.untold)) {
    note(rule.name, 0,
         fmt::format("rule '{}' names {}: never an event here, as it {}", rule.name.value, events,
                     why));
  }
}

void Compiler::report_rule(const RuleDefinition& rule, const RuleInfo& info, const Trail& trail) {
  const SourceText& text = rule.sequence.has_value() ? rule.name : rule.condition;
  note_never(rule, trail);
  if (info.events.empty()) {
    note(text, 0,
         fmt::format("rule '{}' can never match: no event fits its condition", rule.name.value));
  } else if (info.events.size() == event_rows().size() && rule.warn_event_types) {
    note(text, 0,
         fmt::format("rule '{}' names no event type and is asked of every event; 'warn_evttypes: "
                     "false' says that this is meant",
                     rule.name.value));
  }
}

void Compiler::want(const Trail& trail) {
  for (const std::string& name : trail.macros) {
    const auto macro = macros_.find(name);
    if (macro == macros_.end() || std::exchange(macro->second.wanted, true)) continue;
    want(macro->second.trail);
  }
}

// A macro that only rules use which are left out may name fields that do not exist.
void Compiler::report_errors() {
  const auto report = [this](const std::vector<Diagnostic>& errors) {
    const size_t room = kErrorsMax - std::min(kErrorsMax, report_.errors.size());
    const auto end = errors.begin() + static_cast<ptrdiff_t>(std::min(room, errors.size()));
    report_.errors.insert(report_.errors.end(), errors.begin(), end);
  };
  report(lists_trail_.errors);
  for (const auto& [name, macro] : macros_) {
    if (macro.wanted || !some_left_out_ || !macro.trail.only_unknown) report(macro.trail.errors);
  }
  report(rule_errors_);
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
      return compile_comparison(expression.comparison, text);
  }
  return std::nullopt;
}

std::optional<NodeId> Compiler::compile_chain(const Expression& expression,
                                              const SourceText& text) {
  std::vector<NodeId> parts;
  bool valid = true;
  for (const auto& child : expression.children) {
    if (gives_up()) return std::nullopt;
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
  trail_->macros.insert(use.macro);
  if (fresh) {
    if (depth_ >= kNesting) {
      macro.done = true;
      return fail(text, use.offset, fmt::format("macros nested deeper than {} levels", kNesting));
    }
    ++depth_;
    Trail* const outer = std::exchange(trail_, &macro.trail);
    macro.node = compile_text(definition->second.condition);
    trail_ = outer;
    --depth_;
    macro.done = true;
  } else if (!macro.done) {
    trail_->macros.erase(use.macro);
    return fail(text, use.offset, fmt::format("macro '{}' uses itself", use.macro));
  }
  if (!macro.trail.only_unknown) trail_->only_unknown = false;
  if (trail_->gaps.size() < kGapsNamed) {
    trail_->gaps.insert(macro.trail.gaps.begin(), macro.trail.gaps.end());
  }
  if (trail_->untold.size() < kGapsNamed) {
    trail_->untold.insert(macro.trail.untold.begin(), macro.trail.untold.end());
  }
  return macro.node;
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
    compiled.width = part.width;
    if (gives_up()) return std::nullopt;
    if (part.field.has_value()) {
      const auto field = resolve(*part.field, text);
      valid &= field.has_value();
      if (!field.has_value()) continue;
      compiled.has_field = true;
      compiled.slot = graph_.slot(*field);
    }
    output.parts.push_back(std::move(compiled));
  }
  if (!valid) return std::nullopt;
  return output;
}

std::nullopt_t Compiler::fail(const SourceText& text, size_t offset, std::string message) {
  trail_->only_unknown = false;
  ++error_count_;
  return keep_error(text, offset, std::move(message));
}

std::nullopt_t Compiler::fail_unknown(const SourceText& text, size_t offset, std::string message) {
  ++unknown_count_;
  if (!some_left_out_) ++error_count_;
  return keep_error(text, offset, std::move(message));
}

std::nullopt_t Compiler::keep_error(const SourceText& text, size_t offset, std::string message) {
  if (trail_->errors.size() < kErrorsMax) {
    trail_->errors.push_back(diagnostic(text, offset, std::move(message)));
  }
  return std::nullopt;
}

void Compiler::note(const SourceText& text, size_t offset, std::string message) {
  if (report_.notes.size() >= kNotesMax) return;
  report_.notes.push_back(diagnostic(text, offset, std::move(message)));
}

}  // namespace picket::rule
