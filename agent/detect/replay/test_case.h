// A case of a rule test as it is written, read into records. Plain data and its reader, one thread.
// Errors: added to the report with file, line and column; a case with an error is left out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/rule/load_report.h"
#include "agent/enrich/workspace.h"

namespace picket {

// What a case expects of the rules in the file beside it.
struct Expectation {
  bool all = false;                       // `hit`: every rule, one alert each
  std::map<std::string, uint64_t> rules;  // alerts by rule; empty: `miss`
};

struct TestCase {
  std::string file;
  int line = 0;
  std::string name;
  Workspace workspace;
  Workspace peer;  // that of events with another cgroup_id; as `workspace` if not given
  std::vector<std::vector<std::byte>> records;
  std::filesystem::path recording;             // instead of records
  std::optional<uint64_t> wall_minus_boot_ns;  // `date`: when its first event happens
  Expectation expect;
};

std::vector<TestCase> read_test_cases(const std::filesystem::path& file, LoadReport& report);

}  // namespace picket
