// The collector's configuration: a file and its drop-ins. Read once at start, by main. Errors: all
// of them at once, each with file, line and column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/auth/access.h"
#include "collector/export/output_config.h"
#include "common/log.h"
#include "common/tls_files.h"

namespace picket {

struct CollectorConfig {
  std::string listen = "0.0.0.0:7420";  // gRPC, for agents and operators; port 0 picks one
  std::string http = "127.0.0.1:7421";  // /livez, /readyz, /metrics; port 0 picks one
  std::filesystem::path database;       // SQLite's file; empty: PostgreSQL
  std::string postgres;                 // libpq's connection string or URI
  uint64_t retention_days = 0;          // on PostgreSQL; 0: alerts are kept for ever
  TlsFiles tls;
  std::string trust_domain = "picket";
  // Private, Ed25519; usually audit.key beside the database. All collectors on one PostgreSQL have
  // the same.
  std::filesystem::path audit_key;
  std::string cluster;  // that this collector is of; scopes name it
  Scopes scopes;
  std::vector<OutputConfig> outputs;
  std::string log_level = "info";
  LogFormat log_format = LogFormat::text;
};

absl::StatusOr<CollectorConfig> load_collector_config(const std::filesystem::path& file);

}  // namespace picket
