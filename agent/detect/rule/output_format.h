// The output of a rule, cut at its fields: "%proc.name", "%(proc.aname[2])", "%20proc.name" cut or
// filled up to 20 bytes, "%toupper(proc.name)", "%%" for a percent sign. A "*" in front of
// everything says that missing values are printed as <NA>, as they always are. A plain value.
// Errors: parse_output() answers with the offset and a sentence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/detect/rule/lexer.h"

namespace picket::rule {

struct OutputPart {
  std::string literal;           // in front of the field
  std::optional<Operand> field;  // absent in the last part
  uint32_t width = 0;            // 0: as long as it is
};

std::variant<std::vector<OutputPart>, SyntaxError> parse_output(std::string_view text);

}  // namespace picket::rule
