#include "agent/detect/rule/required_versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace picket::rule {
namespace {

using Version = std::array<uint32_t, 3>;

constexpr Version kEngine{0, 63, 0};  // of Falco, whose language this is
// What these add to Falco is built in.
constexpr auto kBuiltIn = std::to_array<std::string_view>({"container", "k8smeta"});

bool take_number(std::string_view& text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// 1.2.3, with whatever a semantic version has behind it; a bare number N is 0.N.0.
std::optional<Version> parse_version(std::string_view text) {
  Version version{};
  std::string_view rest = text;
  if (!take_number(rest, version[0])) return std::nullopt;
  if (rest.empty()) return Version{0, version[0], 0};
  for (size_t i = 1; i < version.size(); ++i) {
    if (!rest.starts_with('.')) return std::nullopt;
    rest.remove_prefix(1);
    if (!take_number(rest, version[i])) return std::nullopt;
  }
  if (!rest.empty() && rest.front() != '-' && rest.front() != '+') return std::nullopt;
  return version;
}

std::string text_of(const Version& version) {
  return fmt::format("{}.{}.{}", version[0], version[1], version[2]);
}

bool is_whole_version(std::string_view text) { return text.find('.') != text.npos; }

// `first`: not one of the alternatives to another.
void check_plugin(YamlItem& plugin, bool first) {
  SourceText name, version;
  const bool valid = first ? plugin.allow({"name", "version", "alternatives"}, YamlItem::kLeftAside)
                           : plugin.allow({"name", "version"}, YamlItem::kLeftAside);
  if (!valid || !plugin.read_name("name", name)) return;
  if (!plugin.read("version", version, YamlItem::kRequired)) return;
  if (!is_whole_version(version.value) || !parse_version(version.value)) {
    plugin.fail(version, fmt::format("'{}' is not a version such as 0.4.0", version.value));
    return;
  }
  if (!first || std::ranges::count(kBuiltIn, name.value) > 0) return;
  plugin.note(name, fmt::format("no part of '{}' is built in; rules of its source are left out",
                                name.value));
}

void check_plugins(YamlItem& item, std::string_view key, LoadReport& report) {
  const YAML::Node list = item.value(key);
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) {
    item.fail(list.Mark(), fmt::format("a list expected for '{}': '- name: NAME'", key));
    return;
  }
  const bool first = key == "required_plugin_versions";
  for (const YAML::Node& node : list) {
    if (!node.IsMap()) {
      item.fail(node.Mark(), "a mapping expected with 'name' and 'version'");
      continue;
    }
    YamlItem plugin(node, item.file(), report);
    check_plugin(plugin, first);
    if (first) check_plugins(plugin, "alternatives", report);
  }
}

}  // namespace

void check_engine_version(YamlItem& item) {
  SourceText text;
  if (!item.allow({"required_engine_version"}, YamlItem::kLeftAside)) return;
  if (!item.read("required_engine_version", text, YamlItem::kRequired)) return;
  const auto version = parse_version(text.value);
  if (!version.has_value()) {
    item.fail(text, fmt::format("'{}' is not a version; a number or one such as 0.57.0 expected",
                                text.value));
  } else if (*version > kEngine) {
    item.fail(text, fmt::format("these rules need version {} of the language; at most {} expected",
                                text.value, text_of(kEngine)));
  }
}

void check_plugin_versions(YamlItem& item, LoadReport& report) {
  if (item.allow({"required_plugin_versions"}, YamlItem::kLeftAside)) {
    check_plugins(item, "required_plugin_versions", report);
  }
}

}  // namespace picket::rule
