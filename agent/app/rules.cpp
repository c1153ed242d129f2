#include "agent/app/rules.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>

namespace picket {

absl::StatusOr<std::shared_ptr<const RuleSet>> read_rules(
    std::span<const std::filesystem::path> paths) {
  LoadReport report;
  auto rules = load_rules(paths, report);
  for (const Diagnostic& note : report.notes) SPDLOG_INFO("rules: {}", note.text());
  for (const Diagnostic& error : report.errors) SPDLOG_ERROR("rules: {}", error.text());
  if (!rules.ok()) return rules.status();
  if ((*rules)->rules().empty()) {
    std::string where;
    for (const auto& path : paths) where += (where.empty() ? "" : ", ") + path.string();
    return absl::InvalidArgumentError(
        fmt::format("load rules: no rule in {}", where.empty() ? "an empty list of paths" : where));
  }
  SPDLOG_INFO("{} rules from {} files", report.rules, report.files);
  return std::shared_ptr<const RuleSet>(std::move(*rules));
}

}  // namespace picket
