// The section `outputs` of the collector's configuration. Read once at start, by main. Errors: with
// file, line and column, among the others of the file; check_output() says in a sentence which file
// of an output is unusable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "collector/export/output_filter.h"
#include "common/config_reader.h"

namespace picket {

enum class AlertFormat { picket, falco, ocsf, cef };

// Of a client that is no member of the fleet: the peer is known by its host's name.
struct ClientTls {
  std::filesystem::path ca;         // empty: the system's authorities
  std::filesystem::path cert, key;  // both or none
};

struct Url {
  bool tls = true;
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 0;
  std::string path = "/";  // with the query

  static absl::StatusOr<Url> parse(const std::string& text);
  std::string authority() const;  // HOST:PORT, as the header Host has it
};

// Secrets stand in files, and are read whenever they are needed: a replaced one is used at once.
struct FileTarget {
  std::filesystem::path path;
};
struct HttpTarget {
  Url url;
  ClientTls tls;
  std::filesystem::path token_file;   // sent as a bearer token; empty: none
  std::filesystem::path secret_file;  // signs; empty: nothing is signed
};
struct OtlpTarget {
  Url url;
  ClientTls tls;
  std::filesystem::path token_file;
};
struct SyslogTarget {
  std::string host;
  uint16_t port = 6514;
  ClientTls tls;
  uint64_t facility = 10;
};
struct KafkaTarget {
  std::string brokers;  // HOST:PORT, separated by commas
  std::string topic;
  bool encrypted = true;
  ClientTls tls;
  std::string sasl_mechanism, sasl_user;  // both or none
  std::filesystem::path sasl_password_file;
};

struct OutputConfig {
  std::string name;
  AlertFormat format = AlertFormat::picket;  // OTLP has its own
  bool from_oldest = false;  // of what is stored when it is first configured; else what comes later
  OutputFilter filter;
  std::variant<FileTarget, HttpTarget, SyslogTarget, OtlpTarget, KafkaTarget> target;
};

std::vector<OutputConfig> read_outputs(ConfigReader& config);

// Its files are there and can be read now.
absl::Status check_output(const OutputConfig& config);

// The first line of a file that holds one secret.
absl::StatusOr<std::string> read_secret(const std::filesystem::path& file);

}  // namespace picket
