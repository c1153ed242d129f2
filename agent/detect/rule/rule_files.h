// The files of a set of rules as they were read, all at once: what is checked, signed and kept is
// then what is compiled. Plain values, any thread. Errors: added to the report; what cannot be read
// is left out.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "agent/detect/rule/load_report.h"

namespace picket {

struct RuleFile {
  std::string name;  // its path, as it appears in messages
  std::string text;
  friend bool operator==(const RuleFile&, const RuleFile&) = default;
};

// NAME.test.yaml or NAME.test.yml: tests of the rules in NAME.yaml or NAME.yml.
bool is_rule_test(const std::filesystem::path& path);
// The other one of the two, with the ending that is there; .yaml, if neither is.
std::filesystem::path test_beside(const std::filesystem::path& rules);
std::filesystem::path rules_beside(const std::filesystem::path& test);

// A path is a rule file, or a folder whose *.yaml and *.yml files are read in the order of their
// paths, sub-folders included; tests are left out. A path without a rule file is an error.
std::vector<RuleFile> read_rule_files(std::span<const std::filesystem::path> paths,
                                      LoadReport& report);

}  // namespace picket
