// The output of a rule, cut at its fields: "%proc.name", "%(proc.aname[2])", "%%" for a percent
// sign; a "*" in front of everything is Falco's and means nothing here. A plain value. Errors:
// parse_output() answers with the offset and a sentence.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/detect/rule/lexer.h"

namespace picket::rule {

struct OutputField {
  std::string name;
  std::optional<std::string> argument;
  size_t offset = 0;  // in the output's text
};

struct OutputPart {
  std::string literal;               // in front of the field
  std::optional<OutputField> field;  // absent in the last part
};

std::variant<std::vector<OutputPart>, SyntaxError> parse_output(std::string_view text);

// A value as it may stand in an alert: control characters, which a terminal would obey, as \xNN.
std::string printable(std::string_view text);

}  // namespace picket::rule
