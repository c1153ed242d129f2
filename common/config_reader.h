// Strict reading of a YAML configuration file: unknown keys, duplicate keys and wrong types are
// errors with file, line and column. Used by one thread at start or reload. Errors: every problem
// is collected; finish() joins them into one InvalidArgument status, a line each.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

class ConfigReader {
 public:
  static absl::StatusOr<ConfigReader> open(const std::filesystem::path& file);

  // Each leaves `value` as it is when the key is absent.
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, bool& value);
  void read(std::string_view key, uint64_t& value, uint64_t least, uint64_t most);
  void read(std::string_view key, std::vector<std::string>& values);
  void read(std::string_view key, std::map<std::string, std::string>& values);
  // A path relative to the configuration file's folder.
  void read(std::string_view key, std::filesystem::path& value);
  void read(std::string_view key, std::vector<std::filesystem::path>& values);

  bool has(std::string_view key) const;
  // The mapping below `key`; empty when absent. Errors are shared with the parent, but
  // finish_section() must be called.
  ConfigReader section(std::string_view key);
  // Each mapping of the list below `key`, with the section's duties; empty when absent.
  std::vector<ConfigReader> list(std::string_view key);
  void finish_section();  // reports unknown keys of this mapping
  // Reports `message` at the position of `key`, or of the mapping when the key is absent.
  void fail(std::string_view key, std::string_view message);
  absl::Status finish();  // finish_section() and all collected errors

 private:
  struct Shared {
    std::filesystem::path file;
    std::vector<std::string> errors;
  };
  ConfigReader(std::shared_ptr<Shared> shared, YAML::Node map, YAML::Mark parent,
               std::string prefix);
  YAML::Node take(std::string_view key);
  void complain(const YAML::Mark& mark, std::string_view message);
  std::filesystem::path resolve(const std::string& text) const;

  std::string name(std::string_view key) const;  // with the sections it lies in

  std::shared_ptr<Shared> shared_;
  YAML::Node map_;
  YAML::Mark mark_;  // of the mapping, or of what should hold it
  std::string prefix_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace picket
