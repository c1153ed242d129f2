// The figures of a run, each beside its target, as a table for people and as JSON for comparing
// runs. Owner: the benchmark's only thread. Errors: write_json() names the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/harness/stats.h"

namespace picket::bench {

struct Figure {
  std::string area;  // "overhead outside"
  std::string name;  // "getppid, against the floor"
  std::string unit;  // "x", "ms", "MiB"
  double value = 0;
  std::optional<Spread> spread = {};
  std::optional<double> at_most = {};  // the target
  std::string note = {};               // what the figure is relative to, or what was counted
  std::optional<bool> met() const;
};

class Report {
 public:
  void add(Figure figure) { figures_.push_back(std::move(figure)); }
  void miss(std::string area, std::string why);  // a part that could not be measured
  bool complete() const { return missing_.empty(); }

  void print() const;
  absl::Status write_json(const std::string& file) const;

 private:
  struct Missing {
    std::string area, why;
  };
  std::vector<Figure> figures_;
  std::vector<Missing> missing_;
};

}  // namespace picket::bench
