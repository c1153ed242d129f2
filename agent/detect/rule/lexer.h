// Reads the words of a condition. What a word is depends on where it stands (a value may hold
// almost anything), so the parser asks for the kind it expects. Lives for one parse. Errors: a
// SyntaxError with the offset and what was expected.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "agent/detect/rule/ast.h"

namespace picket::rule {

struct SyntaxError {
  size_t offset = 0;
  std::string message;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  size_t offset() const { return offset_; }
  void skip(size_t bytes) { offset_ += bytes; }
  bool at_end();
  char peek();        // the next character that is not blank; 0 at the end
  bool take(char c);  // one character of punctuation
  bool take_keyword(
      std::string_view word);  // `and`, `or`, `not`: not followed by a letter of a longer word

  // A field, macro or list: letters, digits, `_`, `.`, `-`. Empty when none stands here.
  std::string_view take_name();
  std::optional<Operator> take_operator();
  Modifier take_modifier();                                // none unless a list follows
  Modifier take_modifier_alone();                          // whatever follows
  bool take_call(std::string_view name);                   // `name(`, without a blank between
  std::variant<std::string, SyntaxError> take_argument();  // after `[`, up to and with `]`
  std::variant<Literal, SyntaxError>
  take_value();  // quoted, or up to a blank, `,`, `(`, `)`, a quote or `=`

  std::string rest(size_t most = 24) const;  // what stands here, for messages

 private:
  std::variant<Literal, SyntaxError> take_quoted();
  void skip_blanks();

  std::string_view text_;
  size_t offset_ = 0;
};

}  // namespace picket::rule
