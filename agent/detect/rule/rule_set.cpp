#include "agent/detect/rule/rule_set.h"

#include <fmt/format.h>

#include <utility>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/program.h"
#include "agent/detect/rule/rule_analysis.h"

namespace picket {
namespace {

constexpr const char* kInstalledRules = "/usr/share/picket/rules";

}  // namespace

std::filesystem::path usual_rules() {
  std::error_code error;
  return std::filesystem::is_directory("rules", error) ? "rules" : kInstalledRules;
}

RuleSet::RuleSet(std::unique_ptr<const rule::Program> program,
                 std::shared_ptr<const Origins> origins)
    : program_(std::move(program)), origins_(std::move(origins)) {}
RuleSet::~RuleSet() = default;

std::span<const RuleInfo> RuleSet::rules() const { return program_->rules; }

absl::StatusOr<std::unique_ptr<RuleSet>> load_rules(std::span<const std::filesystem::path> paths,
                                                    LoadReport& report) {
  const std::vector<RuleFile> files = read_rule_files(paths, report);
  return compile_rule_files(files, report);
}

absl::StatusOr<std::unique_ptr<RuleSet>> compile_rule_files(std::span<const RuleFile> files,
                                                            LoadReport& report) {
  rule::Definitions definitions;
  for (const RuleFile& file : files)
    rule::read_definitions(file.name, file.text, definitions, report);
  auto program = rule::Compiler(definitions, report).compile();
  if (!report.errors.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("load rules: {} error{}, the first: {}", report.errors.size(),
                    report.errors.size() == 1 ? "" : "s", report.errors.front().text()));
  }
  rule::note_doubtful_rules(*program, report);
  std::vector<OriginDefinition> lineages;
  for (auto& [name, lineage] : definitions.lineages) lineages.push_back(std::move(lineage));
  return std::make_unique<RuleSet>(std::move(program),
                                   std::make_shared<Origins>(std::move(lineages)));
}

}  // namespace picket
