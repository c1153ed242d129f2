// Reads a field as a condition or an output names it, with its argument and with the transformers
// around it: tolower(basename(proc.aname[2])). Pure. Errors: the first one, with its offset; the
// transformers of Falco that Picket does not have are read and refused by name.
#pragma once

#include <variant>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/lexer.h"

namespace picket::rule {

// Whether a transformer, or `val(`, begins here; a bare word never does.
bool at_transformer(Lexer lexer);

// `lexer` stands in front of the field or its outermost transformer.
std::variant<Operand, SyntaxError> take_operand(Lexer& lexer);

// What stands at the right-hand side in place of values: val(FIELD), or a transformer.
std::variant<Operand, SyntaxError> take_right_operand(Lexer& lexer);

}  // namespace picket::rule
