#include "common/config_reader.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace picket {
namespace {

std::string at(const std::filesystem::path& file, const YAML::Mark& mark) {
  return fmt::format("{}:{}:{}: ", file.string(), mark.line + 1, mark.column + 1);
}

}  // namespace

ConfigReader::ConfigReader(std::shared_ptr<Shared> shared, YAML::Node map, YAML::Mark parent,
                           std::string prefix)
    : shared_(std::move(shared)),
      // The node of an absent key throws at every question but IsDefined().
      map_(map.IsDefined() ? std::move(map) : YAML::Node(YAML::NodeType::Null)),
      mark_(map_.IsNull() ? parent : map_.Mark()),
      prefix_(std::move(prefix)) {
  if (map_.IsNull()) return;
  if (!map_.IsMap()) {
    complain(map_.Mark(), "expected a mapping of keys to values");
    map_ = YAML::Node(YAML::NodeType::Null);
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : map_) {
    if (!entry.first.IsScalar()) {
      complain(entry.first.Mark(), "expected a plain key");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      complain(entry.first.Mark(),
               fmt::format("key \"{}\" stands here twice", entry.first.Scalar()));
    }
  }
}

absl::StatusOr<ConfigReader> ConfigReader::open(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in)
    return absl::NotFoundError(
        fmt::format("read configuration {}: no such readable file", file.string()));
  std::stringstream text;
  text << in.rdbuf();
  auto shared = std::make_shared<Shared>();
  shared->file = file;
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text.str());
    if (documents.size() > 1)
      return absl::InvalidArgumentError(at(file, documents[1].Mark()) + "expected one document");
    YAML::Mark start;
    start.line = start.column = 0;
    return ConfigReader(shared, documents.empty() ? YAML::Node() : documents[0], start, "");
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(at(file, error.mark) + error.msg);
  }
}

YAML::Node ConfigReader::take(std::string_view key) {
  taken_.emplace(key);
  if (!map_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node& map = map_;
  return map[std::string(key)];
}

bool ConfigReader::has(std::string_view key) const {
  return map_.IsMap() && map_[std::string(key)].IsDefined();
}

void ConfigReader::complain(const YAML::Mark& mark, std::string_view message) {
  shared_->errors.push_back(at(shared_->file, mark) + std::string(message));
}

void ConfigReader::fail(std::string_view key, std::string_view message) {
  const YAML::Node node = take(key);
  complain(node.IsDefined() ? node.Mark() : mark_, fmt::format("{}: {}", name(key), message));
}

std::string ConfigReader::name(std::string_view key) const {
  return fmt::format("{}{}", prefix_, key);
}

void ConfigReader::read(std::string_view key, std::string& value) {
  const YAML::Node node = take(key);
  if (!node.IsDefined()) return;
  if (node.IsScalar()) {
    value = node.Scalar();
  } else {
    complain(node.Mark(), fmt::format("{}: expected text", name(key)));
  }
}

void ConfigReader::read(std::string_view key, bool& value) {
  const YAML::Node node = take(key);
  if (!node.IsDefined()) return;
  if (node.IsScalar() && (node.Scalar() == "true" || node.Scalar() == "false")) {
    value = node.Scalar() == "true";
  } else {
    complain(node.Mark(), fmt::format("{}: expected true or false", name(key)));
  }
}

void ConfigReader::read(std::string_view key, uint64_t& value, uint64_t least, uint64_t most) {
  const YAML::Node node = take(key);
  if (!node.IsDefined()) return;
  uint64_t parsed = 0;
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || parsed < least ||
      parsed > most) {
    complain(node.Mark(),
             fmt::format("{}: expected a whole number from {} to {}", name(key), least, most));
  } else {
    value = parsed;
  }
}

void ConfigReader::read(std::string_view key, std::vector<std::string>& values) {
  const YAML::Node node = take(key);
  if (!node.IsDefined()) return;
  if (!node.IsSequence())
    return complain(node.Mark(), fmt::format("{}: expected a list of texts", name(key)));
  std::vector<std::string> read;
  for (const auto& item : node) {
    if (!item.IsScalar())
      return complain(item.Mark(), fmt::format("{}: expected a list of texts", name(key)));
    read.push_back(item.Scalar());
  }
  values = std::move(read);
}

void ConfigReader::read(std::string_view key, std::map<std::string, std::string>& values) {
  const YAML::Node node = take(key);
  if (!node.IsDefined()) return;
  if (!node.IsMap()) return complain(node.Mark(), fmt::format("{}: expected KEY: TEXT", name(key)));
  std::map<std::string, std::string> read;
  for (const auto& item : node) {
    if (!item.first.IsScalar() || !item.second.IsScalar())
      return complain(item.first.Mark(), fmt::format("{}: expected KEY: TEXT", name(key)));
    read[item.first.Scalar()] = item.second.Scalar();
  }
  values = std::move(read);
}

std::filesystem::path ConfigReader::resolve(const std::string& text) const {
  const std::filesystem::path path(text);
  return path.is_absolute() ? path : (shared_->file.parent_path() / path).lexically_normal();
}

void ConfigReader::read(std::string_view key, std::filesystem::path& value) {
  std::string text;
  read(key, text);
  if (!text.empty()) value = resolve(text);
}

void ConfigReader::read(std::string_view key, std::vector<std::filesystem::path>& values) {
  std::vector<std::string> texts;
  if (!has(key)) {
    taken_.emplace(key);
    return;
  }
  read(key, texts);
  values.clear();
  for (const std::string& text : texts) values.push_back(resolve(text));
}

ConfigReader ConfigReader::section(std::string_view key) {
  return ConfigReader(shared_, take(key), mark_, name(key) + ".");
}

std::vector<ConfigReader> ConfigReader::list(std::string_view key) {
  const YAML::Node node = take(key);
  std::vector<ConfigReader> items;
  if (!node.IsDefined()) return items;
  if (!node.IsSequence()) {
    complain(node.Mark(), fmt::format("{}: expected a list", name(key)));
    return items;
  }
  for (const auto& item : node)
    items.push_back(ConfigReader(shared_, item, item.Mark(), name(key) + "."));
  return items;
}

void ConfigReader::finish_section() {
  if (!map_.IsMap()) return;
  for (const auto& entry : map_) {
    if (entry.first.IsScalar() && !taken_.contains(entry.first.Scalar())) {
      complain(entry.first.Mark(), fmt::format("unknown key \"{}\"; expected one of: {}",
                                               entry.first.Scalar(), fmt::join(taken_, ", ")));
    }
  }
}

absl::Status ConfigReader::finish() {
  finish_section();
  if (shared_->errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}", fmt::join(shared_->errors, "\n")));
}

}  // namespace picket
