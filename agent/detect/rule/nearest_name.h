// Of the names that there are the one that was probably meant by a misspelt one. A plain value, one
// thread; nothing fails.
#pragma once

#include <cstddef>
#include <string_view>

namespace picket::rule {

class NearestName {
 public:
  explicit NearestName(std::string_view misspelt);

  void consider(std::string_view name);
  std::string_view name() const { return nearest_; }  // empty: none is near

 private:
  std::string_view misspelt_, nearest_;
  size_t distance_;  // in letters, of what is no longer near
};

}  // namespace picket::rule
