#include "agent/detect/rule/yaml_item.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "agent/detect/rule/load_limits.h"

namespace picket::rule {
namespace {

bool is_quoted(const YAML::Node& scalar) { return scalar.Tag() == "!"; }

// Older rule files quote an item twice, '"sh -c ls"', because lists were once pasted into
// conditions as text.
bool take_inner_quotes(std::string& text) {
  if (text.size() < 2 || text.front() != text.back()) return false;
  if (text.front() != '"' && text.front() != '\'') return false;
  text = text.substr(1, text.size() - 2);
  return true;
}

}  // namespace

YamlItem::YamlItem(YAML::Node map, std::shared_ptr<const SourceFile> file, LoadReport& report)
    : map_(std::move(map)), file_(std::move(file)), report_(report) {}

YAML::Node YamlItem::value(std::string_view key) const {
  for (const auto& entry : map_) {
    if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

bool YamlItem::has(std::string_view key) const { return value(key).IsDefined(); }

bool YamlItem::require(std::string_view key) { return has(key) || missing(key, kRequired); }

bool YamlItem::allow(std::initializer_list<std::string_view> keys, Unknown unknown) {
  bool valid = true;
  std::set<std::string, std::less<>> seen;
  for (const auto& entry : map_) {
    if (report_.errors.size() >= kErrorsMax) return false;
    const YAML::Node& key = entry.first;
    if (!key.IsScalar()) {
      valid = fail(key.Mark(), "a word expected as key");
    } else if (std::ranges::find(keys, key.Scalar()) == keys.end()) {
      const std::string expected = fmt::format("one of {} expected", fmt::join(keys, ", "));
      if (unknown == kRefused) {
        valid = fail(key.Mark(), fmt::format("unknown key '{}'; {}", key.Scalar(), expected));
      } else {
        note(key.Mark(), fmt::format("unknown key '{}' is left aside; {}", key.Scalar(), expected));
      }
    } else if (!seen.insert(key.Scalar()).second) {
      valid = fail(key.Mark(), fmt::format("key '{}' stands twice in this mapping; once expected",
                                           key.Scalar()));
    }
  }
  return valid;
}

bool YamlItem::read(std::string_view key, SourceText& text, Presence presence) {
  const YAML::Node value = this->value(key);
  if (!value.IsDefined()) return missing(key, presence);
  if (!value.IsScalar()) return fail(value.Mark(), fmt::format("a text expected for '{}'", key));
  text = text_of(value);
  return true;
}

bool YamlItem::read(std::string_view key, bool& result) {
  const YAML::Node value = this->value(key);
  if (!value.IsDefined()) return true;
  // true, yes and on, false, no and off, capitalised or not, as rule files elsewhere have them.
  if (value.IsScalar() && YAML::convert<bool>::decode(value, result)) return true;
  return fail(value.Mark(), fmt::format("true or false expected for '{}'", key));
}

bool YamlItem::read_name(std::string_view key, SourceText& name) {
  if (!read(key, name, kRequired)) return false;
  return name.value.empty() ? fail(name, fmt::format("a name expected for '{}'", key)) : true;
}

bool YamlItem::read_items(std::string_view key,
                          const std::function<void(SourceText, bool quoted)>& each,
                          Presence presence) {
  const YAML::Node value = this->value(key);
  if (!value.IsDefined()) return missing(key, presence);
  if (!value.IsSequence()) {
    return fail(value.Mark(), fmt::format("a list expected for '{}': [a, b]", key));
  }
  bool valid = true;
  size_t number = 0;
  for (const YAML::Node& item : value) {
    ++number;
    if (item.IsNull()) {  // whose own place is that of what comes next
      note(text_of(value), fmt::format("item {} of '{}' is empty and left aside; the word null "
                                       "stands in quotes",
                                       number, key));
      continue;
    }
    if (!item.IsScalar()) {
      valid = fail(item.Mark(), fmt::format("a text expected as item of '{}'", key));
      if (report_.errors.size() >= kErrorsMax) break;
      continue;
    }
    SourceText text = text_of(item);
    const bool quoted = take_inner_quotes(text.value) || is_quoted(item);
    each(std::move(text), quoted);
  }
  return valid;
}

SourceText YamlItem::text_of(const YAML::Node& node) const {
  const YAML::Mark mark = node.Mark();
  return {node.IsScalar() ? node.Scalar() : "", file_, {mark.line + 1, mark.column + 1}, {}};
}

void YamlItem::note(const SourceText& at, std::string message) {
  if (report_.notes.size() >= kNotesMax) return;
  report_.notes.push_back({file_->name, at.start.line, at.start.column, std::move(message)});
}

void YamlItem::note(const YAML::Mark& mark, std::string message) {
  if (report_.notes.size() >= kNotesMax) return;
  report_.notes.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
}

bool YamlItem::missing(std::string_view key, Presence presence) {
  if (presence == kOptional) return true;
  return fail(map_.Mark(), fmt::format("'{}' is missing here", key));
}

bool YamlItem::fail(const SourceText& at, std::string message) {
  report_.errors.push_back({file_->name, at.start.line, at.start.column, std::move(message)});
  return false;
}

bool YamlItem::fail(const YAML::Mark& mark, std::string message) {
  report_.errors.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
  return false;
}

}  // namespace picket::rule
