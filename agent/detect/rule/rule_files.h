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

// A path is a rule file, or a folder whose rule files (rule_file_names.h) are read in the order of
// their paths, sub-folders included; tests are left out. A path without a rule file is an error.
std::vector<RuleFile> read_rule_files(std::span<const std::filesystem::path> paths,
                                      LoadReport& report);

}  // namespace picket
