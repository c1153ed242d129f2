// Where an agent's rules come from: the collector's bundle, once one was taken, else the configured
// files, signed where the configuration asks for it; and behind them the copy of the last good set.
// The collector's waivers come on top of whichever it is. One thread at a time: main until the
// agent runs, then the watcher's. Errors: what is wrong is logged line by line and answered in one
// sentence.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/app/collector_waivers.h"
#include "agent/app/rules.h"

namespace picket {

class RuleSource {
 public:
  struct Options {
    std::vector<std::filesystem::path> paths;
    std::filesystem::path key;      // public; empty: signatures are not asked for
    std::filesystem::path kept;     // the copy; empty: none
    std::filesystem::path bundle;   // the collector's, as it came; empty: none is taken
    std::filesystem::path serials;  // what is older is not taken, whatever became of the rest
    std::filesystem::path waivers;  // the collector's, as they came; empty: none are taken
  };
  // What a set is, apart from its files.
  struct Origin {
    std::string bundle_id;  // empty: the configured files
    uint64_t serial = 0;    // 0: not signed
    std::string key;        // its fingerprint; empty: not signed
    bool shadow = false;    // what is new in it, or other than before, is on trial
  };
  // What became of the collector's waivers.
  struct WaiversInForce {
    std::string set_id;
    size_t count = 0;
    std::string error;  // why others, or all, are not
    friend bool operator==(const WaiversInForce&, const WaiversInForce&) = default;
  };
  explicit RuleSource(Options options) : options_(std::move(options)) {}

  // The rules of this node, or the last good ones; then refused() says why.
  absl::StatusOr<std::shared_ptr<const RuleSet>> first();
  const std::string& refused() const { return refused_; }

  // nullptr: they are as they were read before, and it does not have to be.
  absl::StatusOr<std::shared_ptr<const RuleSet>> again(bool even_if_same);

  // Of a serialized bundle. It has to be signed with the key of the configuration, and must not be
  // older than what is in force, or ever was with this key. nullptr: it is in force.
  absl::StatusOr<std::shared_ptr<const RuleSet>> offered(std::string bundle, bool shadow);
  // The rules that are in force, with these waivers in place of those before. What is not good of
  // them waivers() says.
  absl::StatusOr<std::shared_ptr<const RuleSet>> offered(const v1::WaiverSet& waivers);

  // What was read last is in force. The status is also logged: what it is about lasts until the
  // next start only.
  absl::Status keep();
  const Origin& in_force() const { return in_force_.origin; }
  const WaiversInForce& waivers() const { return waivers_in_force_; }

 private:
  struct Read {
    std::vector<RuleFile> files;  // good or bad
    Origin origin;
    std::vector<std::string> on_trial;   // names of rules
    std::string bundle;                  // serialized; empty: it is on the disk already, or none
    std::shared_ptr<const RuleSet> set;  // nullptr: it was not compiled, or is not good
  };
  absl::StatusOr<Read> read(LoadReport& report) const;
  absl::StatusOr<Read> read_bundle(std::string bundle, bool own) const;
  absl::Status put_on_trial(Read& read) const;
  absl::Status check_serial(const Origin& offered) const;
  absl::Status keep_serial() const;
  absl::StatusOr<std::shared_ptr<const RuleSet>> compile(Read& read, LoadReport report = {});
  void read_kept_waivers();

  const Options options_;
  Read last_, in_force_;
  CollectorWaivers waivers_;
  WaiversInForce waivers_in_force_;
  std::string refused_;
};

}  // namespace picket
