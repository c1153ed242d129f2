// The compiler's part for exceptions: each is an "or" of its tuples, a tuple an "and" of its parts,
// a part a comparison of the field at its place.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/parser.h"

namespace picket::rule {
namespace {

// "(a, b)" as one text is a list as in a condition.
bool is_list_text(const std::string& text) { return text.starts_with('('); }

}  // namespace

std::optional<NodeId> Compiler::compile_exception(const ExceptionDefinition& exception) {
  if (exception.fields.empty()) return fail(exception.name, 0, "'fields' is missing here");
  for (const SourceText& field : exception.fields) {
    if (!exception_field(field).has_value()) return std::nullopt;
  }
  std::vector<NodeId> tuples;
  bool valid = true;
  const auto add = [&](std::optional<NodeId> tuple) {
    valid &= tuple.has_value();
    if (tuple.has_value()) tuples.push_back(*tuple);
  };
  if (!exception.scalar) {
    for (const auto& tuple : exception.tuples) add(compile_tuple(exception, tuple));
  } else {
    std::vector<const ExceptionDefinition::Value*> values;
    for (const auto& tuple : exception.tuples) {
      if (!tuple.alone) {
        fail(tuple.at, 0, "a value expected, not a list: 'fields' is one field");
        valid = false;
        continue;
      }
      values.push_back(&tuple.values.front());
    }
    add(compile_part(exception, 0, values));
  }
  if (!valid) return std::nullopt;
  return graph_.any(tuples);
}

std::optional<FieldReference> Compiler::exception_field(const SourceText& name) {
  auto operand = parse_operand(name.value);
  if (auto* error = std::get_if<SyntaxError>(&operand)) {
    return fail(name, error->offset, std::move(error->message));
  }
  return resolve(std::get<Operand>(operand), name);
}

std::optional<NodeId> Compiler::compile_tuple(const ExceptionDefinition& exception,
                                              const ExceptionDefinition::Tuple& tuple) {
  if (tuple.alone || tuple.values.size() != exception.fields.size()) {
    return fail(tuple.at, 0,
                fmt::format("a list of {} values expected, one for each of 'fields'",
                            exception.fields.size()));
  }
  std::vector<NodeId> parts;
  for (size_t i = 0; i < tuple.values.size(); ++i) {
    const auto part = compile_part(exception, i, {&tuple.values[i]});
    if (!part.has_value()) return std::nullopt;
    parts.push_back(*part);
  }
  return graph_.all(parts);
}

std::optional<NodeId> Compiler::compile_part(
    const ExceptionDefinition& exception, size_t part,
    const std::vector<const ExceptionDefinition::Value*>& values) {
  const SourceText& name = exception.fields[part];
  const auto field = exception_field(name);
  if (!field.has_value()) return std::nullopt;
  std::pair<Operator, Modifier> op{exception.scalar ? Operator::in : Operator::equal,
                                   Modifier::none};
  const SourceText& op_text = exception.comps.empty() ? name : exception.comps[part];
  if (!exception.comps.empty()) {
    auto parsed = parse_operator(op_text.value);
    if (auto* error = std::get_if<SyntaxError>(&parsed)) {
      return fail(op_text, error->offset, std::move(error->message));
    }
    op = std::get<std::pair<Operator, Modifier>>(parsed);
  }
  if (std::string wrong = check_operator(*field, op.first); !wrong.empty()) {
    return fail(op_text, 0, std::move(wrong));
  }
  if (op.first == Operator::exists) return graph_.comparison(*field, op.first, {});

  std::vector<std::string> right;
  for (const ExceptionDefinition::Value* value : values) {
    if (!add_exception_value(*field, op, *value, right)) return std::nullopt;
  }
  if (op.second == Modifier::one_of && !spend_on_one_of(right.size(), op_text, 0))
    return std::nullopt;
  return graph_.comparison_with_each(*field, op.first, op.second, right);
}

bool Compiler::add_exception_value(const FieldReference& field, std::pair<Operator, Modifier> op,
                                   const ExceptionDefinition::Value& value,
                                   std::vector<std::string>& right) {
  const bool lists = takes_list(op.first) || op.second != Modifier::none;
  if (value.list && !lists) {
    const SourceText& at = value.items.empty() ? SourceText() : value.items.front();
    if (at.file == nullptr) return true;
    fail(at, 0, fmt::format("'{}' takes one value, not a list", to_string(op.first)));
    return false;
  }
  bool valid = true;
  for (const SourceText& item : value.items) {
    std::vector<Literal> literals{{item.value, 0, false}};
    if (lists && is_list_text(item.value)) {
      auto parsed = parse_list(item.value);
      if (auto* error = std::get_if<SyntaxError>(&parsed)) {
        fail(item, error->offset, std::move(error->message));
        return false;
      }
      literals = std::get<std::vector<Literal>>(std::move(parsed));
    }
    for (const Literal& literal : literals) {
      if (gives_up()) return false;
      if (const List* expanded = list_of(op.first, op.second, literal)) {
        if (!spend_on_list(expanded->values, item, literal.offset)) return false;
        for (const std::string& one : expanded->values) {
          valid &= check(field, op.first, one, item, literal.offset);
          right.push_back(one);
        }
      } else {
        if (lists && field.text != "evt.type" && looks_like_list_name(literal))
          note(item, literal.offset,
               fmt::format("no list is called '{}': it stands for itself", literal.text));
        valid &= add_value(field, op.first, literal, item, right);
      }
    }
  }
  return valid;
}

}  // namespace picket::rule
