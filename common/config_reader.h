// Strict reading of a YAML configuration file: unknown keys, duplicate keys and wrong types are
// errors with file, line and column. What an administrator or a package adds lies in drop-ins,
// which are files of the same form: mappings are joined, and any other value of a later file
// replaces that of an earlier one. Used by one thread at start or reload. Errors: every problem is
// collected; finish() joins them into one InvalidArgument status, a line each.
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
  // And after it, by their names, the files *.yaml of its folder of drop-ins.
  static absl::StatusOr<ConfigReader> open_with_drop_ins(const std::filesystem::path& file);

  // Each leaves `value` as it is when the key is absent.
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, bool& value);
  void read(std::string_view key, uint64_t& value, uint64_t least, uint64_t most);
  void read(std::string_view key, std::vector<std::string>& values);
  // The texts of all files; of one key, the last.
  void read(std::string_view key, std::map<std::string, std::string>& values);
  // A path relative to the folder of the file that it stands in.
  void read(std::string_view key, std::filesystem::path& value);
  void read(std::string_view key, std::vector<std::filesystem::path>& values);

  bool has(std::string_view key) const;
  // The mapping below `key`; empty when absent. Errors are shared with the parent, but
  // finish_section() must be called.
  ConfigReader section(std::string_view key);
  // Each mapping of the list below `key`, with the section's duties; empty when absent. A list of a
  // later file replaces the earlier one.
  std::vector<ConfigReader> list(std::string_view key);
  void finish_section();  // reports unknown keys of this mapping
  // Reports `message` at the position of `key`, or of the mapping when the key is absent.
  void fail(std::string_view key, std::string_view message);
  absl::Status finish();  // finish_section() and all collected errors

 private:
  using File = std::shared_ptr<const std::filesystem::path>;
  // What one file has to say: a mapping, or a value in one.
  struct Layer {
    File file;
    YAML::Node node;
    YAML::Mark mark;  // of the node, or of what should hold it
  };
  using Layers = std::vector<Layer>;  // in the order of the files; never empty
  using Errors = std::shared_ptr<std::vector<std::string>>;

  static absl::StatusOr<Layer> read_file(const std::filesystem::path& file);
  ConfigReader(Errors errors, Layers layers, std::string prefix);
  void take_mapping(Layer& layer);
  const Layer* layer_of(std::string_view key) const;  // the last that has it
  struct Value;
  Value take(std::string_view key);
  void complain(const File& file, const YAML::Mark& mark, std::string_view message);

  std::string name(std::string_view key) const;  // with the sections it lies in

  Errors errors_;
  Layers layers_;
  std::string prefix_;
  std::set<std::string, std::less<>> taken_;
};

// The folder of a configuration file's drop-ins: /etc/picket/picketd.yaml has
// /etc/picket/picketd.conf.d.
std::filesystem::path drop_in_folder(const std::filesystem::path& file);

}  // namespace picket
