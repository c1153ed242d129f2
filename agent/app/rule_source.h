// Where an agent's rules come from: the configured files, signed where the configuration asks for
// it, and behind them the copy of the last good set. One thread at a time: main until the agent
// runs, then the watcher's. Errors: what is wrong is logged line by line and answered in one
// sentence.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/app/rules.h"

namespace picket {

class RuleSource {
 public:
  struct Options {
    std::vector<std::filesystem::path> paths;
    std::filesystem::path key;   // public; empty: signatures are not asked for
    std::filesystem::path kept;  // the copy; empty: none
  };
  explicit RuleSource(Options options) : options_(std::move(options)) {}

  // The configured rules, or the last good ones; then refused() says why.
  absl::StatusOr<std::shared_ptr<const RuleSet>> first();
  const std::string& refused() const { return refused_; }

  // nullptr: they are as they were read before, and it does not have to be.
  absl::StatusOr<std::shared_ptr<const RuleSet>> again(bool even_if_same);
  // What was read last is in force.
  void keep() const;

 private:
  absl::StatusOr<std::vector<RuleFile>> read(LoadReport& report) const;
  absl::StatusOr<std::shared_ptr<const RuleSet>> compile(LoadReport report) const;

  const Options options_;
  std::vector<RuleFile> files_;  // as they were read last, good or bad
  std::string refused_;
};

}  // namespace picket
