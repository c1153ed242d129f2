// Where picketctl finds its collectors, and who it is there: one collector, or one for each of
// several regions. Read once by main. Errors: with file, line and column, a line each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tls_files.h"

namespace picket {

struct CliContext {
  std::string region;     // of what this collector stores; empty: it has no name
  std::string collector;  // HOST:PORT
  TlsFiles tls;
  std::string server_id;  // SPIFFE id the collector must have
};

// In the order of the file; at least one. Where there are several, each has a name of its own.
absl::StatusOr<std::vector<CliContext>> load_contexts(const std::filesystem::path& file);

// Of those only the ones with these names, in the order of the file; all when `names` is empty.
absl::StatusOr<std::vector<CliContext>> select_regions(std::vector<CliContext> contexts,
                                                       const std::vector<std::string>& names);

// "eu, us"
std::string region_names(const std::vector<CliContext>& contexts);

}  // namespace picket
