// Waivers from the collector: each is worth what the key of the rules says of its signature. As
// rule files they take effect with the rules. Any thread. Errors: in words beside what is good; one
// that is not good does not take the others with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/detect/rule/rule_files.h"
#include "picket/v1/rules.pb.h"

namespace picket {

struct CollectorWaivers {
  std::string set_id;
  std::vector<RuleFile> files;  // one for each that is good
  std::string error;            // what is wrong with the others
};

// `key`: public; without one none is good.
CollectorWaivers judge_waivers(const v1::WaiverSet& set, const std::filesystem::path& key);

// As they came; read again they are judged again.
absl::Status keep_waivers(const std::filesystem::path& file, const v1::WaiverSet& set);
absl::StatusOr<v1::WaiverSet> kept_waivers(const std::filesystem::path& file);  // NotFound

}  // namespace picket
