#include "agent/detect/rule/parser.h"

#include <fmt/format.h>

#include <utility>

#include "agent/detect/rule/operand.h"

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

  // What a condition has parts of, alone.
  template <class Part>
  std::variant<Part, SyntaxError> whole(std::variant<Part, SyntaxError> part) {
    if (std::holds_alternative<SyntaxError>(part) || lexer_.at_end()) return part;
    return SyntaxError{lexer_.offset(),
                       fmt::format("nothing expected behind it, not {}", lexer_.rest())};
  }

  std::variant<Operand, SyntaxError> operand() { return whole(take_operand(lexer_)); }

  std::variant<std::pair<Operator, Modifier>, SyntaxError> comparison_operator() {
    const auto op = lexer_.take_operator();
    if (!op.has_value())
      return SyntaxError{0, fmt::format("an operator expected, not {}", lexer_.rest())};
    Modifier modifier = Modifier::none;
    if (!takes_list(*op) && !is_ordering(*op)) modifier = lexer_.take_modifier_alone();
    return whole<std::pair<Operator, Modifier>>(std::pair(*op, modifier));
  }

  std::variant<std::vector<Literal>, SyntaxError> list_alone() {
    Comparison comparison;
    if (!lexer_.take('('))
      return SyntaxError{0, fmt::format("'(' expected, not {}", lexer_.rest())};
    if (!list(comparison)) return std::move(error_);
    return whole<std::vector<Literal>>(std::move(comparison.values));
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
    Lexer ahead = lexer_;
    const std::string_view name = ahead.take_name();
    if (name.empty() || name == "and" || name == "or") {
      return fail(start, fmt::format("a field or macro expected, not {}",
                                     name.empty() ? lexer_.rest() : fmt::format("'{}'", name)));
    }
    if (lexer_.take_call("val")) {
      return fail(start, "val() stands at the right-hand side only; a field or macro expected");
    }
    Comparison comparison;
    auto operand = take_operand(lexer_);
    if (auto* error = std::get_if<SyntaxError>(&operand)) {
      return fail(error->offset, std::move(error->message));
    }
    comparison.left = std::get<Operand>(std::move(operand));
    lexer_.peek();
    comparison.op_offset = lexer_.offset();
    const auto op = lexer_.take_operator();
    if (!op.has_value()) return macro(comparison.left, start);
    comparison.op = *op;
    if (!values(comparison)) return nullptr;
    Parsed expression = make(Expression::Kind::comparison, start);
    expression->comparison = std::move(comparison);
    return expression;
  }

  // A name without an operator behind it.
  Parsed macro(const Operand& operand, size_t start) {
    const bool ends = lexer_.at_end() || lexer_.peek() == ')' || at_connective();
    if (!ends || operand.argument.has_value() || !operand.transforms.empty()) {
      return fail(lexer_.offset(), fmt::format("an operator expected after '{}', not {}",
                                               operand.field, lexer_.rest()));
    }
    Parsed macro = make(Expression::Kind::macro, start);
    macro->macro = operand.field;
    return macro;
  }

  bool at_connective() {
    Lexer ahead = lexer_;
    return ahead.take_keyword("and") || ahead.take_keyword("or");
  }

  bool values(Comparison& comparison) {
    if (comparison.op == Operator::exists) return true;
    if (at_transformer(lexer_)) return right(comparison);
    const bool list_operator = takes_list(comparison.op);
    if (!list_operator && !is_ordering(comparison.op)) {
      comparison.modifier = lexer_.take_modifier();
    }
    if (!list_operator && comparison.modifier == Modifier::none) return value(comparison);
    if (lexer_.take('(')) return list(comparison);
    comparison.list_by_name = true;
    return value(comparison);
  }

  bool right(Comparison& comparison) {
    auto operand = take_right_operand(lexer_);
    if (auto* error = std::get_if<SyntaxError>(&operand)) {
      fail(error->offset, std::move(error->message));
      return false;
    }
    comparison.right = std::get<Operand>(std::move(operand));
    return true;
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

std::variant<Operand, SyntaxError> parse_operand(std::string_view text) {
  return Parser(text).operand();
}

std::variant<std::pair<Operator, Modifier>, SyntaxError> parse_operator(std::string_view text) {
  return Parser(text).comparison_operator();
}

std::variant<std::vector<Literal>, SyntaxError> parse_list(std::string_view text) {
  return Parser(text).list_alone();
}

}  // namespace picket::rule
