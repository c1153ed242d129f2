// Turns the text of a condition into its expression. The grammar, loosest first:
//   any: all ("or" all)*    all: term ("and" term)*
//   term: "not" term | "(" any ")" | MACRO | OPERAND OPERATOR VALUE
//   an operand is a field, perhaps within transformers (operand.h), and so may be the value
// A pure function. Errors: the first one, with its offset; nesting is bounded so that hostile text
// cannot exhaust the stack.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/lexer.h"

namespace picket::rule {

constexpr size_t kConditionDepth = 100;

std::variant<std::unique_ptr<Expression>, SyntaxError> parse_condition(std::string_view text);

// Of an exception: `proc.aname[2]`, `startswith anyof`, `(a, b)`, each alone.
std::variant<Operand, SyntaxError> parse_operand(std::string_view text);
std::variant<std::pair<Operator, Modifier>, SyntaxError> parse_operator(std::string_view text);
std::variant<std::vector<Literal>, SyntaxError> parse_list(std::string_view text);

}  // namespace picket::rule
