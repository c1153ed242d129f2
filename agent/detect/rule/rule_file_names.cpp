#include "agent/detect/rule/rule_file_names.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace picket {
namespace {

using Path = std::filesystem::path;

constexpr std::array<std::string_view, 2> kRuleEndings{".yaml", ".yml"};
constexpr std::array<std::string_view, 2> kTestEndings{".test.yaml", ".test.yml"};

// Of these endings the one that the path has; empty: none.
std::string_view ending_of(const Path& path, std::span<const std::string_view> endings) {
  const std::string& name = path.native();
  const auto found = std::ranges::find_if(
      endings, [&](std::string_view ending) { return name.ends_with(ending); });
  return found != endings.end() ? *found : std::string_view();
}

Path beside(const Path& path, std::string_view ending, std::span<const std::string_view> others) {
  const std::string stem = path.string().substr(0, path.native().size() - ending.size());
  for (const std::string_view other : others) {
    std::error_code error;
    const Path candidate = stem + std::string(other);
    if (std::filesystem::exists(candidate, error)) return candidate;
  }
  return stem + std::string(others.front());
}

}  // namespace

bool is_rule_file(const Path& path) {
  return !ending_of(path, kRuleEndings).empty() && !is_rule_test(path);
}

bool is_rule_test(const Path& path) { return !ending_of(path, kTestEndings).empty(); }

Path test_beside(const Path& rules) {
  return beside(rules, ending_of(rules, kRuleEndings), kTestEndings);
}

Path rules_beside(const Path& test) {
  return beside(test, ending_of(test, kTestEndings), kRuleEndings);
}

}  // namespace picket
