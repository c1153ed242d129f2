#include "agent/app/rule_source.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agent/detect/bundle/bundle.h"

namespace picket {

absl::StatusOr<std::vector<RuleFile>> RuleSource::read(LoadReport& report) const {
  if (options_.key.empty()) return read_rule_files(options_.paths, report);
  const auto key = BundleKey::read_public(options_.key);
  if (!key.ok()) return key.status();
  return read_signed_rules(options_.paths, *key);
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::compile(LoadReport report) const {
  auto rules = compile_rules(files_, std::move(report));
  if (!rules.ok()) return rules.status();
  return std::move(rules->set);
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::first() {
  auto rules = again(true);
  if (rules.ok()) {
    keep();
    return rules;
  }
  if (options_.kept.empty()) return rules;
  auto kept = kept_rules(options_.kept);
  if (!kept.ok()) {
    if (!absl::IsNotFound(kept.status())) SPDLOG_ERROR("{}", std::string(kept.status().message()));
    return rules;
  }
  refused_ = std::string(rules.status().message());
  SPDLOG_ERROR("the configured rules are refused, the last good ones are used: {}", refused_);
  return std::move(kept->set);
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::again(bool even_if_same) {
  LoadReport report;
  auto files = read(report);
  if (!files.ok()) {
    files_.clear();
    return files.status();
  }
  if (!even_if_same && report.errors.empty() && *files == files_)
    return std::shared_ptr<const RuleSet>();
  files_ = *std::move(files);
  return compile(std::move(report));
}

void RuleSource::keep() const {
  if (options_.kept.empty()) return;
  if (const absl::Status kept = keep_rules(options_.kept, files_); !kept.ok())
    SPDLOG_ERROR("the rules are not kept for the next start: {}", std::string(kept.message()));
}

}  // namespace picket
