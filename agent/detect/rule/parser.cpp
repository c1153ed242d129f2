#include "agent/detect/rule/parser.h"

#include <fmt/format.h>

#include <utility>

namespace picket::rule {
namespace {

using Parsed = std::unique_ptr<Expression>;  // nullptr: error_ is set

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  std::variant<Parsed, SyntaxError> parse() {
    if (lexer_.at_end()) return SyntaxError{0, "the condition is empty"};
    Parsed expression = any(0);
    if (expression != nullptr && !lexer_.at_end()) {
      expression = fail(lexer_.offset(), fmt::format("'and', 'or' or the end of the condition "
                                                     "expected, not {}",
                                                     lexer_.rest()));
    }
    if (expression == nullptr) return std::move(error_);
    return expression;
  }

 private:
  Parsed any(size_t depth) { return chain(Expression::Kind::any, "or", depth, &Parser::all); }
  Parsed all(size_t depth) { return chain(Expression::Kind::all, "and", depth, &Parser::term); }

  Parsed chain(Expression::Kind kind, std::string_view word, size_t depth,
               Parsed (Parser::*part)(size_t)) {
    Parsed first = (this->*part)(depth);
    if (first == nullptr || !lexer_.take_keyword(word)) return first;
    Parsed chain = make(kind, first->offset);
    chain->children.push_back(std::move(first));
    do {
      Parsed next = (this->*part)(depth);
      if (next == nullptr) return nullptr;
      chain->children.push_back(std::move(next));
    } while (lexer_.take_keyword(word));
    return chain;
  }

  Parsed term(size_t depth) {
    lexer_.peek();
    const size_t start = lexer_.offset();
    if (depth >= kConditionDepth) {
      return fail(start, fmt::format("nested deeper than {} levels", kConditionDepth));
    }
    if (lexer_.take_keyword("not")) {
      Parsed inner = term(depth + 1);
      if (inner == nullptr) return nullptr;
      Parsed negation = make(Expression::Kind::negation, start);
      negation->children.push_back(std::move(inner));
      return negation;
    }
    if (lexer_.take('(')) {
      Parsed inner = any(depth + 1);
      if (inner != nullptr && !lexer_.take(')')) {
        return fail(lexer_.offset(), fmt::format("')' expected, not {}", lexer_.rest()));
      }
      return inner;
    }
    return comparison_or_macro(start);
  }

  Parsed comparison_or_macro(size_t start) {
    const std::string_view name = lexer_.take_name();
    if (name.empty() || name == "and" || name == "or") {
      return fail(start, fmt::format("a field or macro expected, not {}",
                                     name.empty() ? lexer_.rest() : fmt::format("'{}'", name)));
    }
    Comparison comparison;
    comparison.field = name;
    if (lexer_.take('[')) {
      comparison.argument_offset = lexer_.offset();
      auto argument = lexer_.take_argument();
      if (auto* error = std::get_if<SyntaxError>(&argument)) {
        return fail(error->offset, std::move(error->message));
      }
      comparison.argument = std::get<std::string>(std::move(argument));
    }
    lexer_.peek();
    comparison.op_offset = lexer_.offset();
    const auto op = lexer_.take_operator();
    if (!op.has_value()) {
      const bool ends = lexer_.at_end() || lexer_.peek() == ')' || at_connective();
      if (!ends || comparison.argument.has_value()) {
        return fail(lexer_.offset(),
                    fmt::format("an operator expected after '{}', not {}", name, lexer_.rest()));
      }
      Parsed macro = make(Expression::Kind::macro, start);
      macro->macro = name;
      return macro;
    }
    comparison.op = *op;
    if (!values(comparison)) return nullptr;
    Parsed expression = make(Expression::Kind::comparison, start);
    expression->comparison = std::move(comparison);
    return expression;
  }

  bool at_connective() {
    Lexer ahead = lexer_;
    return ahead.take_keyword("and") || ahead.take_keyword("or");
  }

  bool values(Comparison& comparison) {
    switch (comparison.op) {
      case Operator::exists:
        return true;
      case Operator::in:
      case Operator::intersects:
      case Operator::pmatch:
        if (lexer_.take('(')) return list(comparison);
        comparison.list_by_name = true;
        return value(comparison);
      default:
        return value(comparison);
    }
  }

  bool list(Comparison& comparison) {
    if (lexer_.take(')')) return true;
    do {
      if (!value(comparison)) return false;
    } while (lexer_.take(','));
    if (lexer_.take(')')) return true;
    fail(lexer_.offset(), fmt::format("',' or ')' expected in the list, not {}", lexer_.rest()));
    return false;
  }

  bool value(Comparison& comparison) {
    auto value = lexer_.take_value();
    if (auto* error = std::get_if<SyntaxError>(&value)) {
      fail(error->offset, std::move(error->message));
      return false;
    }
    comparison.values.push_back(std::get<Literal>(std::move(value)));
    return true;
  }

  static Parsed make(Expression::Kind kind, size_t offset) {
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->offset = offset;
    return expression;
  }

  Parsed fail(size_t offset, std::string message) {
    error_ = SyntaxError{offset, std::move(message)};
    return nullptr;
  }

  Lexer lexer_;
  SyntaxError error_;
};

}  // namespace

std::variant<std::unique_ptr<Expression>, SyntaxError> parse_condition(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace picket::rule
