// A condition as it was written, with the offset of every part in its text. Plain data, built by
// the parser, read by the compiler.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace picket::rule {

enum class Operator {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  intersects,
  starts_with,
  ends_with,
  contains,
  icontains,
  glob,
  pmatch,
  regex,
  exists,
};
std::string_view to_string(Operator op);  // as in a condition: "=", "startswith"

struct Literal {
  std::string text;
  size_t offset = 0;
  bool quoted = false;  // a quoted value is never the name of a list
};

struct Comparison {
  std::string field;
  std::optional<std::string> argument;  // proc.aname[2]
  size_t argument_offset = 0;
  Operator op = Operator::exists;
  size_t op_offset = 0;
  std::vector<Literal> values;
  bool list_by_name = false;  // `in shells`: values[0] names a list
};

struct Expression {
  enum class Kind { all, any, negation, macro, comparison };
  Kind kind = Kind::macro;
  size_t offset = 0;
  std::vector<std::unique_ptr<Expression>> children;  // all, any: two or more; negation: one
  std::string macro;
  Comparison comparison;
};

}  // namespace picket::rule
