// Which files are rules and which are tests of rules, by their names: NAME.yaml or NAME.yml and
// NAME.test.yaml or NAME.test.yml. Pure but for asking what exists; any thread. Nothing fails.
#pragma once

#include <filesystem>

namespace picket {

bool is_rule_file(const std::filesystem::path& path);
bool is_rule_test(const std::filesystem::path& path);
// The other one of the two, with the ending that is there; .yaml, if neither is.
std::filesystem::path test_beside(const std::filesystem::path& rules);
std::filesystem::path rules_beside(const std::filesystem::path& test);

}  // namespace picket
