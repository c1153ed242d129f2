#include "agent/detect/rule/lexer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace picket::rule {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

bool ends_bare_value(char c) {
  return is_blank(c) || c == '(' || c == ')' || c == '"' || c == '\'' || c == ',' || c == '=';
}

// Longer spellings first: `<=` is not `<`.
constexpr auto kOperators = std::to_array<std::pair<std::string_view, Operator>>({
    {"==", Operator::equal},
    {"!=", Operator::not_equal},
    {"<=", Operator::less_equal},
    {">=", Operator::greater_equal},
    {"=", Operator::equal},
    {"<", Operator::less},
    {">", Operator::greater},
    {"in", Operator::in},
    {"intersects", Operator::intersects},
    {"startswith", Operator::starts_with},
    {"bstartswith", Operator::bstarts_with},
    {"endswith", Operator::ends_with},
    {"contains", Operator::contains},
    {"icontains", Operator::icontains},
    {"bcontains", Operator::bcontains},
    {"glob", Operator::glob},
    {"iglob", Operator::iglob},
    {"pmatch", Operator::pmatch},
    {"regex", Operator::regex},
    {"exists", Operator::exists},
});

// The characters that a backslash stands for; 0: the backslash is kept, as in the regular
// expression \d.
char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '\\':
    case '"':
    case '\'':
      return c;
    default:
      return 0;
  }
}

}  // namespace

bool takes_list(Operator op) {
  return op == Operator::in || op == Operator::intersects || op == Operator::pmatch;
}

bool is_ordering(Operator op) {
  return op == Operator::less || op == Operator::less_equal || op == Operator::greater ||
         op == Operator::greater_equal;
}

std::string_view to_string(Operator op) {
  for (const auto& [text, value] : kOperators) {
    if (value == op && text != "==") return text;
  }
  return "?";
}

void Lexer::skip_blanks() {
  while (offset_ < text_.size() && is_blank(text_[offset_])) ++offset_;
}

bool Lexer::at_end() { return peek() == 0; }

char Lexer::peek() {
  skip_blanks();
  return offset_ < text_.size() ? text_[offset_] : '\0';
}

bool Lexer::take(char c) {
  if (peek() != c) return false;
  ++offset_;
  return true;
}

bool Lexer::take_keyword(std::string_view word) {
  skip_blanks();
  const std::string_view rest = text_.substr(offset_);
  if (!rest.starts_with(word)) return false;
  if (rest.size() > word.size() && is_name(rest[word.size()])) return false;
  offset_ += word.size();
  return true;
}

std::string_view Lexer::take_name() {
  skip_blanks();
  const size_t start = offset_;
  while (offset_ < text_.size() && is_name(text_[offset_])) ++offset_;
  return text_.substr(start, offset_ - start);
}

std::optional<Operator> Lexer::take_operator() {
  skip_blanks();
  const std::string_view rest = text_.substr(offset_);
  for (const auto& [text, op] : kOperators) {
    if (!rest.starts_with(text)) continue;
    const bool word = text[0] >= 'a' && text[0] <= 'z';
    if (word && rest.size() > text.size() && is_name(rest[text.size()])) continue;
    offset_ += text.size();
    return op;
  }
  return std::nullopt;
}

Modifier Lexer::take_modifier_alone() {
  constexpr auto kModifiers = std::to_array<std::pair<std::string_view, Modifier>>(
      {{"oneof", Modifier::one_of}, {"anyof", Modifier::any_of}, {"allof", Modifier::all_of}});
  for (const auto& [word, modifier] : kModifiers)
    if (take_keyword(word)) return modifier;
  return Modifier::none;
}

// Without a list behind it the word is a value like any other: `= anyof and ...`.
Modifier Lexer::take_modifier() {
  Lexer ahead = *this;
  const Modifier modifier = ahead.take_modifier_alone();
  Lexer behind = ahead;
  const std::string_view name = behind.take_name();
  const bool list =
      ahead.peek() == '(' || (!name.empty() && name != "and" && name != "or" && name != "not");
  if (modifier == Modifier::none || !list) return Modifier::none;
  *this = ahead;
  return modifier;
}

bool Lexer::take_call(std::string_view name) {
  skip_blanks();
  const std::string_view rest = text_.substr(offset_);
  if (!rest.starts_with(name) || rest.size() == name.size() || rest[name.size()] != '(') {
    return false;
  }
  offset_ += name.size() + 1;
  return true;
}

std::variant<std::string, SyntaxError> Lexer::take_argument() {
  if (const char c = peek(); c == '"' || c == '\'') {
    auto quoted = take_quoted();
    if (auto* error = std::get_if<SyntaxError>(&quoted)) return std::move(*error);
    if (!take(']')) return SyntaxError{offset_, "']' expected after the field's argument"};
    return std::get<Literal>(std::move(quoted)).text;
  }
  const size_t end = text_.find(']', offset_);
  if (end == std::string_view::npos) {
    return SyntaxError{offset_, "']' expected after the field's argument"};
  }
  std::string_view argument = text_.substr(offset_, end - offset_);
  while (!argument.empty() && is_blank(argument.back())) argument.remove_suffix(1);
  if (argument.empty()) return SyntaxError{offset_, "the field's argument is empty"};
  offset_ = end + 1;
  return std::string(argument);
}

std::variant<Literal, SyntaxError> Lexer::take_value() {
  const char first = peek();
  if (first == '"' || first == '\'') return take_quoted();
  const size_t start = offset_;
  while (offset_ < text_.size() && !ends_bare_value(text_[offset_])) ++offset_;
  if (offset_ == start) return SyntaxError{start, fmt::format("a value expected, not {}", rest())};
  return Literal{std::string(text_.substr(start, offset_ - start)), start, false};
}

std::variant<Literal, SyntaxError> Lexer::take_quoted() {
  const size_t start = offset_;
  const char quote = text_[offset_++];
  std::string value;
  for (; offset_ < text_.size(); ++offset_) {
    const char c = text_[offset_];
    if (c == quote) {
      ++offset_;
      return Literal{std::move(value), start, true};
    }
    const char escaped =
        c == '\\' && offset_ + 1 < text_.size() ? unescaped(text_[offset_ + 1]) : '\0';
    value += escaped != 0 ? escaped : c;
    if (escaped != 0) ++offset_;
  }
  offset_ = start;
  return SyntaxError{start, fmt::format("this value has no closing {}", quote)};
}

std::string Lexer::rest(size_t most) const {
  std::string_view rest = text_.substr(offset_);
  if (rest.empty()) return "the end of the condition";
  size_t length = 0;
  while (length < rest.size() && length < most && !is_blank(rest[length])) ++length;
  return fmt::format("'{}'", rest.substr(0, length == 0 ? 1 : length));
}

}  // namespace picket::rule
