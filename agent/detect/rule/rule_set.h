// A compiled set of rules: immutable once loaded, shared freely between threads; the working memory
// of an evaluation lives in RuleDetector. Errors: load_rules() reports every problem it finds in
// `report` and answers InvalidArgument; a set exists only when all of its files are valid.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/detect/finding.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_files.h"
#include "agent/enrich/origins.h"

namespace picket {

namespace rule {
struct Program;
}

// Whose repeats are one alert with a count.
enum class MergeBy : uint8_t {
  process,
  lineage,  // of a subtree, whichever of its processes
  package,  // of what runs for one package of one install; else as lineage
};

// What a rule says about itself.
struct RuleInfo {
  std::string name, desc, why, source;
  Priority priority = Priority::notice;
  std::vector<std::string> tags;
  bool enabled = true;
  Action respond = Action::none;
  bool shadow = false;  // on trial: it reports, and nothing is done
  MergeBy merge = MergeBy::process;
  std::string condition;  // as written
  std::string output;     // as written
  std::string file;
  int line = 0, column = 0;
  std::vector<std::string> events;  // schema names of the events it is evaluated on
};

// Withholds alerts of some rules for a while.
struct WaiverInfo {
  std::string name, owner, reason;
  std::string expires;       // as written
  uint64_t end_wall_ns = 0;  // UTC since the epoch
  std::string file;
  int line = 0;
};

class RuleSet {
 public:
  explicit RuleSet(std::unique_ptr<const rule::Program> program,
                   std::shared_ptr<const Origins> origins = std::make_shared<Origins>());
  ~RuleSet();
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;

  std::span<const RuleInfo> rules() const;
  const rule::Program& program() const { return *program_; }
  // What the files say about who drives a process.
  const std::shared_ptr<const Origins>& origins() const { return origins_; }

 private:
  std::unique_ptr<const rule::Program> program_;
  std::shared_ptr<const Origins> origins_;
};

// A path is a rule file, or a folder whose rule files are read in the order of their paths,
// sub-folders included; tests are left out. A path without a rule file and a file
// without a definition are errors. A later definition of a name replaces an earlier one and is
// noted in `report`.
absl::StatusOr<std::unique_ptr<RuleSet>> load_rules(std::span<const std::filesystem::path> paths,
                                                    LoadReport& report);

absl::StatusOr<std::unique_ptr<RuleSet>> compile_rule_files(std::span<const RuleFile> files,
                                                            LoadReport& report);

// What is meant where nobody names rules: those of the working directory (a checkout has them), or
// the installed ones.
std::filesystem::path usual_rules();

}  // namespace picket
