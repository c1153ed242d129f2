// Checks JSON against docs/alert.schema.json. Any thread. Errors: what is wrong and where, in
// words.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace picket::test {

class JsonSchema {
 public:
  static absl::StatusOr<std::unique_ptr<JsonSchema>> read(const std::string& path);
  ~JsonSchema();
  absl::Status check(const nlohmann::json& document) const;

 private:
  struct Impl;
  explicit JsonSchema(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace picket::test
