// What one value can still be where several comparisons of it hold at once, so that the loader
// finds conditions that nothing fulfils: `proc.pid < 3 and proc.pid > 5`. It need not find all of
// them; what it says cannot be, cannot. A plain value, one thread; nothing fails.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/field.h"

namespace picket::rule {

class ValueBounds {
 public:
  // Of a comparison that holds too, its values sorted; false: nothing is left.
  bool narrow(const FieldReference& field, Operator op, const std::vector<std::string>& values);

 private:
  bool narrow_numbers(const FieldReference& field, Operator op,
                      const std::vector<std::string>& values);
  bool narrow_texts(Operator op, const std::vector<std::string>& values);

  std::optional<std::vector<std::string>> texts_;       // it is one of these
  std::optional<std::vector<std::string>> beginnings_;  // it begins with one of these
  std::optional<std::string> end_;                      // it ends with this
  std::optional<std::vector<int64_t>> numbers_;
  int64_t least_ = std::numeric_limits<int64_t>::min();
  int64_t most_ = std::numeric_limits<int64_t>::max();
};

}  // namespace picket::rule
