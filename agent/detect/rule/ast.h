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
  bstarts_with,
  ends_with,
  contains,
  icontains,
  bcontains,
  glob,
  iglob,
  pmatch,
  regex,
  exists,
};
std::string_view to_string(Operator op);  // as in a condition: "=", "startswith"
bool takes_list(Operator op);             // in, intersects, pmatch
bool is_ordering(Operator op);            // < <= > >=

// How many of the values at the right-hand side must fit: `startswith anyof (a, b)`.
enum class Modifier { none, one_of, any_of, all_of };

// What is done to a field's value before it is compared or printed.
enum class Transform { to_lower, to_upper, base_name, length };
std::string_view to_string(Transform transform);  // as in a condition: "tolower"

struct Literal {
  std::string text;
  size_t offset = 0;
  bool quoted = false;  // a quoted value is never the name of a list
};

// A field as it was written: tolower(basename(proc.aname[2])).
struct Operand {
  std::string field;
  std::optional<std::string> argument;
  std::vector<Transform> transforms;  // the innermost first
  size_t offset = 0;                  // of the field's name
};

struct Comparison {
  Operand left;
  Operator op = Operator::exists;
  Modifier modifier = Modifier::none;
  size_t op_offset = 0;
  std::vector<Literal> values;
  std::optional<Operand> right;  // `= val(proc.pname)`: then there are no values
  bool list_by_name = false;     // `in shells`: values[0] names a list
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
