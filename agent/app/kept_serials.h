// The highest serial of signed rules that was in force here, by the key that signed them: kept
// apart from the rules, so that an old signature cannot be replayed after they were lost. One
// thread at a time, as RuleSource. Errors: NotFound is no error and reads as none; DataLoss: the
// file is damaged, and nobody can say what is old.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace picket {

struct KeptSerial {
  uint64_t serial = 0;
  std::string bundle_id;  // empty: of the configured files
  friend bool operator==(const KeptSerial&, const KeptSerial&) = default;
};

using KeptSerials = std::map<std::string, KeptSerial>;  // by the key's fingerprint

absl::StatusOr<KeptSerials> read_serials(const std::filesystem::path& file);
absl::Status keep_serials(const std::filesystem::path& file, const KeptSerials& serials);

}  // namespace picket
