#include "agent/detect/rule/rule_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/program.h"

namespace picket {
namespace {

constexpr const char* kInstalledRules = "/usr/share/picket/rules";

bool is_rule_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".yaml") && !name.ends_with(".test.yaml");
}

// The rule files below a folder, in the order of their paths.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               std::error_code& error) {
  std::vector<std::filesystem::path> files;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code gone;
    if (is_rule_file(entry->path()) && entry->is_regular_file(gone)) files.push_back(entry->path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::filesystem::path usual_rules() {
  std::error_code error;
  return std::filesystem::is_directory("rules", error) ? "rules" : kInstalledRules;
}

RuleSet::RuleSet(std::unique_ptr<const rule::Program> program) : program_(std::move(program)) {}
RuleSet::~RuleSet() = default;

std::span<const RuleInfo> RuleSet::rules() const { return program_->rules; }

absl::StatusOr<std::unique_ptr<RuleSet>> load_rules(std::span<const std::filesystem::path> paths,
                                                    LoadReport& report) {
  rule::Definitions definitions;
  for (const std::filesystem::path& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      rule::read_definitions(path, definitions, report);
      continue;
    }
    const std::vector<std::filesystem::path> files = files_below(path, error);
    for (const auto& file : files) rule::read_definitions(file, definitions, report);
    if (error) {
      report.errors.push_back(
          {path.string(), 0, 0, fmt::format("cannot be read: {}", error.message())});
    } else if (files.empty()) {
      report.errors.push_back({path.string(), 0, 0, "holds no rule file (NAME.yaml)"});
    }
  }
  auto program = rule::Compiler(definitions, report).compile();
  if (!report.errors.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("load rules: {} error{}, the first: {}", report.errors.size(),
                    report.errors.size() == 1 ? "" : "s", report.errors.front().text()));
  }
  return std::make_unique<RuleSet>(std::move(program));
}

}  // namespace picket
