// Turns the text of a condition into its expression. The grammar, loosest first:
//   any: all ("or" all)*    all: term ("and" term)*    term: "not" term | "(" any ")" | MACRO |
//   FIELD [ARG] OPERATOR VALUE
// A pure function. Errors: the first one, with its offset; nesting is bounded so that hostile text
// cannot exhaust the stack.
#pragma once

#include <memory>
#include <string_view>
#include <variant>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/lexer.h"

namespace picket::rule {

constexpr size_t kConditionDepth = 100;

std::variant<std::unique_ptr<Expression>, SyntaxError> parse_condition(std::string_view text);

}  // namespace picket::rule
