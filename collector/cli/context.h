// Where picketctl finds its collector, and who it is there. Read once by main. Errors: with file,
// line and column.
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "common/tls_files.h"

namespace picket {

struct CliContext {
  std::string collector;  // HOST:PORT
  TlsFiles tls;
  std::string server_id;  // SPIFFE id the collector must have
};

absl::StatusOr<CliContext> load_context(const std::filesystem::path& file);

}  // namespace picket
