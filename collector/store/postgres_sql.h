// A statement for PostgreSQL that grows; each value has its number in the text. A value of its own,
// used by one thread. Errors: as the Pool that is asked.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/store/postgres_pool.h"

namespace picket::postgres {

class Sql {
 public:
  explicit Sql(std::string text) : text_(std::move(text)) {}

  // `format` has {v} where the value stands.
  template <class Value>
  Sql& add(std::string_view format, const Value& value) {
    values_.add(value);
    text_ += fmt::format(fmt::runtime(format), fmt::arg("v", fmt::format("${}", values_.size())));
    return *this;
  }
  Sql& in_namespaces(const std::vector<std::string>& namespaces) {
    return namespaces.empty() ? *this : add(" AND namespace = ANY({v})", namespaces);
  }
  absl::StatusOr<Result> ask(Pool& pool) const { return pool.query(text_, values_); }

 private:
  std::string text_;
  Values values_;
};

}  // namespace picket::postgres
