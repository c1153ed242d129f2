#include "common/config_reader.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace picket {
namespace {

std::string at(const std::filesystem::path& file, const YAML::Mark& mark) {
  return fmt::format("{}:{}:{}: ", file.string(), mark.line + 1, mark.column + 1);
}

// The node of an absent key throws at every question but IsDefined().
YAML::Node or_null(YAML::Node node) {
  return node.IsDefined() ? std::move(node) : YAML::Node(YAML::NodeType::Null);
}

std::filesystem::path resolve(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path path(text);
  return path.is_absolute() ? path : (file.parent_path() / path).lexically_normal();
}

absl::StatusOr<std::vector<std::filesystem::path>> drop_ins_of(const std::filesystem::path& file) {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path folder = drop_in_folder(file);
  std::error_code error;
  for (std::filesystem::directory_iterator next(folder, error), end; !error && next != end;
       next.increment(error))
    if (next->path().extension() == ".yaml") files.push_back(next->path());
  if (error && error != std::errc::no_such_file_or_directory)
    return absl::InvalidArgumentError(
        fmt::format("read configuration {}: {}", folder.string(), error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct ConfigReader::Value {
  YAML::Node node;  // undefined: no file has the key
  File file;
};

std::filesystem::path drop_in_folder(const std::filesystem::path& file) {
  std::filesystem::path folder = file;
  return folder.replace_extension(".conf.d");
}

ConfigReader::ConfigReader(Errors errors, Layers layers, std::string prefix)
    : errors_(std::move(errors)), layers_(std::move(layers)), prefix_(std::move(prefix)) {
  for (Layer& layer : layers_) take_mapping(layer);
}

void ConfigReader::take_mapping(Layer& layer) {
  if (layer.node.IsNull()) return;
  layer.mark = layer.node.Mark();
  if (!layer.node.IsMap()) {
    complain(layer.file, layer.mark, "expected a mapping of keys to values");
    layer.node = YAML::Node(YAML::NodeType::Null);
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : layer.node) {
    if (!entry.first.IsScalar()) {
      complain(layer.file, entry.first.Mark(), "expected a plain key");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      complain(layer.file, entry.first.Mark(),
               fmt::format("key \"{}\" stands here twice", entry.first.Scalar()));
    }
  }
}

absl::StatusOr<ConfigReader::Layer> ConfigReader::read_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in)
    return absl::NotFoundError(
        fmt::format("read configuration {}: no such readable file", file.string()));
  std::stringstream text;
  text << in.rdbuf();
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text.str());
    if (documents.size() > 1)
      return absl::InvalidArgumentError(at(file, documents[1].Mark()) + "expected one document");
    YAML::Mark start;
    start.line = start.column = 0;
    return Layer{std::make_shared<const std::filesystem::path>(file),
                 documents.empty() ? YAML::Node(YAML::NodeType::Null) : documents[0], start};
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(at(file, error.mark) + error.msg);
  }
}

absl::StatusOr<ConfigReader> ConfigReader::open(const std::filesystem::path& file) {
  auto layer = read_file(file);
  if (!layer.ok()) return layer.status();
  return ConfigReader(std::make_shared<std::vector<std::string>>(), {*std::move(layer)}, "");
}

absl::StatusOr<ConfigReader> ConfigReader::open_with_drop_ins(const std::filesystem::path& file) {
  auto drop_ins = drop_ins_of(file);
  if (!drop_ins.ok()) return drop_ins.status();
  drop_ins->insert(drop_ins->begin(), file);
  Layers layers;
  for (const std::filesystem::path& next : *drop_ins) {
    auto layer = read_file(next);
    if (!layer.ok()) return layer.status();
    layers.push_back(*std::move(layer));
  }
  return ConfigReader(std::make_shared<std::vector<std::string>>(), std::move(layers), "");
}

const ConfigReader::Layer* ConfigReader::layer_of(std::string_view key) const {
  const auto found = std::find_if(layers_.rbegin(), layers_.rend(), [&](const Layer& layer) {
    const YAML::Node& map = layer.node;
    return map.IsMap() && map[std::string(key)].IsDefined();
  });
  return found == layers_.rend() ? nullptr : &*found;
}

ConfigReader::Value ConfigReader::take(std::string_view key) {
  taken_.emplace(key);
  const Layer* layer = layer_of(key);
  if (layer == nullptr) return {YAML::Node(YAML::NodeType::Undefined), nullptr};
  const YAML::Node& map = layer->node;
  return {map[std::string(key)], layer->file};
}

bool ConfigReader::has(std::string_view key) const { return layer_of(key) != nullptr; }

void ConfigReader::complain(const File& file, const YAML::Mark& mark, std::string_view message) {
  errors_->push_back(at(*file, mark) + std::string(message));
}

void ConfigReader::fail(std::string_view key, std::string_view message) {
  const auto [node, file] = take(key);
  const Layer& first = layers_.front();
  complain(file ? file : first.file, file ? node.Mark() : first.mark,
           fmt::format("{}: {}", name(key), message));
}

std::string ConfigReader::name(std::string_view key) const {
  return fmt::format("{}{}", prefix_, key);
}

void ConfigReader::read(std::string_view key, std::string& value) {
  const auto [node, file] = take(key);
  if (!file) return;
  if (node.IsScalar()) {
    value = node.Scalar();
  } else {
    complain(file, node.Mark(), fmt::format("{}: expected text", name(key)));
  }
}

void ConfigReader::read(std::string_view key, bool& value) {
  const auto [node, file] = take(key);
  if (!file) return;
  if (node.IsScalar() && (node.Scalar() == "true" || node.Scalar() == "false")) {
    value = node.Scalar() == "true";
  } else {
    complain(file, node.Mark(), fmt::format("{}: expected true or false", name(key)));
  }
}

void ConfigReader::read(std::string_view key, uint64_t& value, uint64_t least, uint64_t most) {
  const auto [node, file] = take(key);
  if (!file) return;
  uint64_t parsed = 0;
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || parsed < least ||
      parsed > most) {
    complain(file, node.Mark(),
             fmt::format("{}: expected a whole number from {} to {}", name(key), least, most));
  } else {
    value = parsed;
  }
}

void ConfigReader::read(std::string_view key, std::vector<std::string>& values) {
  const auto [node, file] = take(key);
  if (!file) return;
  const std::string expected = fmt::format("{}: expected a list of texts", name(key));
  if (!node.IsSequence()) return complain(file, node.Mark(), expected);
  std::vector<std::string> read;
  for (const auto& item : node) {
    if (!item.IsScalar()) return complain(file, item.Mark(), expected);
    read.push_back(item.Scalar());
  }
  values = std::move(read);
}

// Joined key by key, as any mapping is.
void ConfigReader::read(std::string_view key, std::map<std::string, std::string>& values) {
  if (!has(key)) return;
  ConfigReader below = section(key);
  std::map<std::string, std::string> read;
  for (const Layer& layer : below.layers_) {
    if (!layer.node.IsMap()) continue;
    for (const auto& entry : layer.node) {
      if (!entry.first.IsScalar()) continue;
      const auto [value, is_new] = read.try_emplace(entry.first.Scalar());
      if (is_new) below.read(value->first, value->second);
    }
  }
  values = std::move(read);
}

void ConfigReader::read(std::string_view key, std::filesystem::path& value) {
  std::string text;
  read(key, text);
  if (!text.empty()) value = resolve(*layer_of(key)->file, text);
}

void ConfigReader::read(std::string_view key, std::vector<std::filesystem::path>& values) {
  std::vector<std::string> texts;
  read(key, texts);
  const Layer* layer = layer_of(key);
  if (layer == nullptr) return;
  values.clear();
  for (const std::string& text : texts) values.push_back(resolve(*layer->file, text));
}

ConfigReader ConfigReader::section(std::string_view key) {
  taken_.emplace(key);
  Layers below;
  for (const Layer& layer : layers_) {
    const YAML::Node& map = layer.node;
    YAML::Node node = map.IsMap() ? or_null(map[std::string(key)]) : or_null({});
    below.push_back({layer.file, std::move(node), layer.mark});
  }
  return ConfigReader(errors_, std::move(below), name(key) + ".");
}

std::vector<ConfigReader> ConfigReader::list(std::string_view key) {
  const auto [node, file] = take(key);
  std::vector<ConfigReader> items;
  if (!file) return items;
  if (!node.IsSequence()) {
    complain(file, node.Mark(), fmt::format("{}: expected a list", name(key)));
    return items;
  }
  for (const auto& item : node)
    items.push_back(ConfigReader(errors_, {{file, item, item.Mark()}}, name(key) + "."));
  return items;
}

void ConfigReader::finish_section() {
  for (const Layer& layer : layers_) {
    if (!layer.node.IsMap()) continue;
    for (const auto& entry : layer.node) {
      if (entry.first.IsScalar() && !taken_.contains(entry.first.Scalar()))
        complain(layer.file, entry.first.Mark(),
                 fmt::format("unknown key \"{}\"; expected one of: {}", entry.first.Scalar(),
                             fmt::join(taken_, ", ")));
    }
  }
}

absl::Status ConfigReader::finish() {
  finish_section();
  if (errors_->empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}", fmt::join(*errors_, "\n")));
}

}  // namespace picket
