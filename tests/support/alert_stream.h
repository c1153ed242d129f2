// The alerts that the collector stores, as `picketctl alerts watch -o json` prints them, each
// checked against the schema. Alerts of one node come in the order in which the node raised them.
// Owner: the test's thread. Errors: a Status that says what was waited for and what came instead.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/json_schema.h"
#include "tests/support/subprocess.h"

namespace picket::test {

class AlertStream {
 public:
  using Alert = nlohmann::json;
  using Wanted = std::function<bool(const Alert&)>;

  // `command`: picketctl with its context and everything.
  static absl::StatusOr<std::unique_ptr<AlertStream>> start(std::vector<std::string> command);

  // The first alert, of those seen before or to come, that satisfies `wanted`.
  absl::StatusOr<Alert> wait_for(const std::string& what, const Wanted& wanted);
  // All alerts up to and including that one, in order.
  absl::StatusOr<std::vector<Alert>> all_until(const std::string& what, const Wanted& wanted);
  const std::vector<Alert>& seen() const { return seen_; }

 private:
  AlertStream(std::unique_ptr<JsonSchema> schema, std::unique_ptr<Subprocess> program, Fd output);
  absl::Status read_one(std::chrono::steady_clock::time_point deadline);

  std::unique_ptr<JsonSchema> schema_;
  std::unique_ptr<Subprocess> program_;
  LineReader lines_;
  std::vector<Alert> seen_;
};

}  // namespace picket::test
