#include "agent/detect/rule/file_class_reader.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "agent/detect/rule/load_limits.h"

namespace picket::rule {
namespace {

// Answers what is wrong with a text; empty: nothing.
using Check = std::function<std::string(std::string_view)>;

std::string check_place(std::string_view place) {
  if (place.size() > kPatternBytes) return fmt::format("longer than {} bytes", kPatternBytes);
  if (place.starts_with('/') || place.starts_with('*') || place.starts_with('@')) return {};
  return fmt::format("'{}' is no whole path; /etc/x or */x expected", place);
}

// The kernel looks a file up by its name or its directory's.
std::string check_path(std::string_view path) {
  if (std::string wrong = check_place(path); !wrong.empty()) return wrong;
  if (plain_component(path)) return {};
  return fmt::format("'{}' names neither a file nor its directory without a pattern", path);
}

bool read_texts(YamlItem& item, std::string_view key, const Check& check,
                std::vector<std::string>& texts) {
  bool valid = true;
  const bool read = item.read_items(
      key,
      [&](SourceText text, bool) {
        if (std::string wrong = check(text.value); !wrong.empty())
          valid = item.fail(text, std::move(wrong));
        texts.push_back(std::move(text.value));
      },
      YamlItem::kOptional);
  return valid && read;
}

bool read_kind(YamlItem& item, FileClass& file_class) {
  SourceText text;
  if (!item.read("kind", text, YamlItem::kRequired)) return false;
  for (size_t i = 0; i < static_cast<size_t>(FileKind::kEnd); ++i) {
    file_class.kind = static_cast<FileKind>(i);
    if (to_string(file_class.kind) == text.value) return true;
  }
  return item.fail(
      text, fmt::format("'{}' is no kind of files; secret, decoy or startup expected", text.value));
}

bool read_tools(YamlItem& item, FileClass& file_class) {
  std::vector<std::string> words;
  const bool valid = read_texts(
      item, "tools",
      [](std::string_view word) {
        const auto origin = origin_of(word);
        if (origin && *origin != Origin::unknown) return std::string();
        return fmt::format("'{}' is no kind of tool; ide build package_manager ai_agent ...", word);
      },
      words);
  if (!valid) return false;
  for (const std::string& word : words) file_class.tools.push_back(*origin_of(word));
  return true;
}

}  // namespace

void read_file_class(YamlItem& item, Definitions& definitions) {
  bool valid = item.allow(
      {"file_class", "desc", "kind", "paths", "except", "sockets", "programs", "scripts", "tools"});
  SourceText name;
  FileClass one;
  valid &= item.read_name("file_class", name);
  valid &= read_kind(item, one);
  valid &= read_texts(item, "paths", check_path, one.paths);
  valid &= read_texts(item, "except", check_place, one.except);
  valid &= read_texts(item, "sockets", check_place, one.sockets);
  valid &= read_texts(item, "programs", check_place, one.programs);
  valid &= read_texts(item, "scripts", check_place, one.scripts);
  valid &= read_tools(item, one);
  if (!valid) return;
  if (one.paths.empty() && one.sockets.empty()) {
    item.fail(name, "a class of no files; 'paths' or 'sockets' expected");
    return;
  }
  one.name = name.value;
  definitions.file_classes.insert_or_assign(name.value, std::move(one));
}

}  // namespace picket::rule
