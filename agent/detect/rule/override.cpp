#include "agent/detect/rule/override.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace picket::rule {
namespace {

std::string names_of(std::span<const OverrideKey> keys) {
  std::string names;
  for (const OverrideKey& key : keys) {
    if (!names.empty()) names += ", ";
    names += key.name;
  }
  return names;
}

std::string operations_of(const OverrideKey& key) {
  if (!key.appends) return "replace";
  return key.replaces ? "append or replace" : "append";
}

std::optional<Override> read_one(YamlItem& item, const SourceText& name, const YAML::Node& value,
                                 std::span<const OverrideKey> keys) {
  const auto key = std::ranges::find(keys, name.value, &OverrideKey::name);
  if (key == keys.end()) {
    item.fail(name, fmt::format("'{}' cannot be overridden; one of {} expected", name.value,
                                names_of(keys)));
    return std::nullopt;
  }
  const std::string operation = value.IsScalar() ? value.Scalar() : "";
  const bool fits =
      (operation == "append" && key->appends) || (operation == "replace" && key->replaces);
  if (!fits) {
    item.fail(value.Mark(), fmt::format("{} expected for '{}', not '{}'", operations_of(*key),
                                        name.value, operation));
    return std::nullopt;
  }
  if (!item.has(name.value)) {
    item.fail(name, fmt::format("'{}' is overridden but not given; the key expected beside "
                                "'override'",
                                name.value));
    return std::nullopt;
  }
  return Override{name.value, operation == "append"};
}

// A key that is given without a word on what happens to the earlier one.
bool all_named(YamlItem& item, std::span<const OverrideKey> keys,
               const std::vector<Override>& overrides) {
  bool valid = true;
  for (const OverrideKey& key : keys) {
    const YAML::Node value = item.value(key.name);
    if (!value.IsDefined() || std::ranges::count(overrides, key.name, &Override::key) > 0) continue;
    valid = item.fail(value.Mark(), fmt::format("'{}' has no entry under 'override'; {} expected "
                                                "there",
                                                key.name, operations_of(key)));
  }
  return valid;
}

}  // namespace

std::optional<std::vector<Override>> read_override(YamlItem& item,
                                                   std::span<const OverrideKey> keys) {
  std::vector<Override> overrides;
  const YAML::Node map = item.value("override");
  bool append = false;
  bool valid = item.read("append", append);
  if (append) valid = item.fail(map.Mark(), "'append' and 'override' exclude each other");
  if (!map.IsMap()) {
    item.fail(map.Mark(), "a mapping expected for 'override': {condition: append}");
    return std::nullopt;
  }
  for (const auto& entry : map) {
    auto one = read_one(item, item.text_of(entry.first), entry.second, keys);
    valid &= one.has_value();
    if (one.has_value()) overrides.push_back(*std::move(one));
  }
  if (!valid || !all_named(item, keys, overrides)) return std::nullopt;
  return overrides;
}

std::optional<bool> appends(YamlItem& item, std::string_view key) {
  bool append = false;
  if (!item.has("override")) {
    if (!item.read("append", append)) return std::nullopt;
    return append;
  }
  const std::array<OverrideKey, 1> keys{{{key, true, true}}};
  const auto overrides = read_override(item, keys);
  if (!overrides.has_value()) return std::nullopt;
  return !overrides->empty() && overrides->front().append;
}

}  // namespace picket::rule
