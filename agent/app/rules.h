// The rules of a running agent: read at start and again on request, and kept, so that the last good
// set outlives a restart. Any thread. Errors: what is wrong is logged line by line and answered in
// one sentence; also when there is no rule at all, because an agent without rules watches nothing
// and looks well.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/detect/rule/rule_files.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {

struct ReadRules {
  std::shared_ptr<const RuleSet> set;
  std::vector<RuleFile> files;  // of which it was made
};

absl::StatusOr<ReadRules> read_rules(std::span<const std::filesystem::path> paths);
absl::StatusOr<ReadRules> compile_rules(std::vector<RuleFile> files, LoadReport report = {});

// The whole file, on the disk when it answers OK, or as it was before.
absl::Status replace_file(const std::filesystem::path& file, std::string_view text);
// NotFound: there is none. ResourceExhausted: it is larger.
absl::StatusOr<std::string> read_whole(const std::filesystem::path& file, size_t limit);

// The copy of the last good set.
absl::Status keep_rules(const std::filesystem::path& kept, std::span<const RuleFile> files);
absl::StatusOr<ReadRules> kept_rules(const std::filesystem::path& kept);

}  // namespace picket
