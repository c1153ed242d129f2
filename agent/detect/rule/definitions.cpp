#include "agent/detect/rule/definitions.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>

#include "agent/detect/rule/yaml_documents.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {
namespace {

constexpr size_t kFileMax = 16 << 20;

constexpr auto kPriorities = std::to_array<Priority>(
    {Priority::emergency, Priority::alert, Priority::critical, Priority::error, Priority::warning,
     Priority::notice, Priority::informational, Priority::debug});

std::optional<Priority> parse_priority(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  if (upper == "INFO") return Priority::informational;
  for (const Priority priority : kPriorities) {
    if (to_string(priority) == upper) return priority;
  }
  return std::nullopt;
}

std::optional<Action> parse_respond(std::string_view text) {
  for (const Action action : {Action::none, Action::kill, Action::freeze}) {
    if (to_string(action) == text) return action;
  }
  return std::nullopt;
}

class FileReader {
 public:
  FileReader(std::shared_ptr<const SourceFile> file, Definitions& definitions, LoadReport& report)
      : file_(std::move(file)), definitions_(definitions), report_(report) {}

  void read(const YAML::Node& document) {
    if (!document.IsSequence()) {
      fail(document.Mark(), "a list of rules, macros and lists expected: '- rule: NAME'");
      return;
    }
    for (const YAML::Node& item : document) read_item(item);
    says_nothing_ = says_nothing_ && document.size() == 0;
  }
  bool says_nothing() const { return says_nothing_; }

 private:
  void read_item(const YAML::Node& node) {
    if (!node.IsMap()) {
      fail(node.Mark(), "a mapping expected that starts with 'rule', 'macro' or 'list'");
      return;
    }
    YamlItem item(node, file_, report_);
    if (item.has("rule")) {
      read_rule(item);
    } else if (item.has("macro")) {
      read_macro(item);
    } else if (item.has("list")) {
      read_list(item);
    } else if (item.has("required_engine_version")) {
      item.allow({"required_engine_version"});  // of Falco; this grammar has no versions
    } else if (item.has("required_plugin_versions")) {
      item.allow({"required_plugin_versions"});
    } else {
      fail(node.Mark(), "this mapping defines nothing; 'rule', 'macro' or 'list' expected");
    }
  }

  void read_list(YamlItem& item) {
    bool valid = item.allow({"list", "items", "desc"});
    ListDefinition list;
    valid &= item.read_name("list", list.name);
    valid &= item.read_items("items", [&](SourceText text, bool quoted) {
      list.items.push_back({std::move(text), quoted});
    });
    if (valid) replace(definitions_.lists, "list", std::move(list));
  }

  void read_macro(YamlItem& item) {
    bool valid = item.allow({"macro", "condition", "desc"});
    MacroDefinition macro;
    valid &= item.read_name("macro", macro.name);
    valid &= item.read("condition", macro.condition, YamlItem::kRequired);
    if (valid) replace(definitions_.macros, "macro", std::move(macro));
  }

  void read_rule(YamlItem& item) {
    item.allow({"rule", "desc", "condition", "output", "priority", "tags", "enabled", "source",
                "why", "respond"});
    RuleDefinition rule;
    bool complete = item.read_name("rule", rule.name);
    complete &= item.read("condition", rule.condition, YamlItem::kRequired);
    complete &= item.read("output", rule.output, YamlItem::kRequired);
    SourceText text;
    if (item.has("desc") && item.read("desc", text)) rule.info.desc = trimmed(text.value);
    if (item.has("why") && item.read("why", text)) rule.info.why = trimmed(text.value);
    item.read("enabled", rule.info.enabled);
    read_priority(item, rule.info);
    read_source(item, rule.info);
    read_respond(item, rule.info);
    item.read_items(
        "tags", [&](SourceText tag, bool) { rule.info.tags.push_back(std::move(tag.value)); },
        YamlItem::kOptional);
    // Kept whatever is wrong with the other keys, so that the condition's errors are found in the
    // same run.
    if (!complete) return;
    rule.info.name = rule.name.value;
    rule.info.condition = trimmed(rule.condition.value);
    rule.info.output = trimmed(rule.output.value);
    rule.info.file = file_->name;
    rule.info.line = rule.name.start.line;
    keep(std::move(rule));
  }

  void read_priority(YamlItem& item, RuleInfo& info) {
    SourceText text;
    if (!item.read("priority", text, YamlItem::kRequired)) return;
    if (const auto priority = parse_priority(text.value)) {
      info.priority = *priority;
      return;
    }
    item.fail(text, fmt::format("'{}' is not a priority; one of EMERGENCY ALERT CRITICAL ERROR "
                                "WARNING NOTICE INFORMATIONAL DEBUG expected",
                                text.value));
  }

  void read_source(YamlItem& item, RuleInfo& info) {
    SourceText text;
    info.source = "syscall";
    if (!item.has("source") || !item.read("source", text) || text.value == info.source) return;
    item.fail(text, fmt::format("there is no source '{}'; syscall expected", text.value));
  }

  void read_respond(YamlItem& item, RuleInfo& info) {
    SourceText text;
    if (!item.has("respond") || !item.read("respond", text)) return;
    if (const auto action = parse_respond(text.value)) {
      info.respond = *action;
      return;
    }
    item.fail(text,
              fmt::format("'{}' is not a response; none, kill or freeze expected", text.value));
  }

  template <class Definition>
  void replace(std::map<std::string, Definition, std::less<>>& known, std::string_view what,
               Definition definition) {
    const auto [at, fresh] = known.try_emplace(definition.name.value);
    if (!fresh) note_replaced(what, at->second.name, definition.name);
    at->second = std::move(definition);
  }

  void keep(RuleDefinition rule) {
    const auto known = std::ranges::find_if(definitions_.rules, [&](const RuleDefinition& other) {
      return other.name.value == rule.name.value;
    });
    if (known == definitions_.rules.end()) {
      definitions_.rules.push_back(std::move(rule));
      return;
    }
    note_replaced("rule", known->name, rule.name);
    *known = std::move(rule);
  }

  void note_replaced(std::string_view what, const SourceText& old, const SourceText& replacement) {
    report_.notes.push_back(
        diagnostic(replacement, 0,
                   fmt::format("{} '{}' replaces the definition at {}:{}", what, replacement.value,
                               old.file->name, old.start.line)));
  }

  void fail(const YAML::Mark& mark, std::string message) {
    report_.errors.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
  }

  static std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
  }

  std::shared_ptr<const SourceFile> file_;
  bool says_nothing_ = true;
  Definitions& definitions_;
  LoadReport& report_;
};

}  // namespace

Diagnostic diagnostic(const SourceText& text, size_t offset, std::string message) {
  const Position position = text.at(offset);
  return {text.file->name, position.line, position.column, std::move(message)};
}

void read_definitions(std::string name, std::string text, Definitions& definitions,
                      LoadReport& report) {
  ++report.files;
  const auto file =
      std::make_shared<const SourceFile>(SourceFile{std::move(name), std::move(text)});
  const size_t errors = report.errors.size();
  FileReader reader(file, definitions, report);
  for_each_document(*file, report, [&](const YAML::Node& document) { reader.read(document); });
  // More likely cut off or emptied by mistake than meant.
  if (reader.says_nothing() && report.errors.size() == errors) {
    report.errors.push_back({file->name, 0, 0, "holds no rule, macro or list"});
  }
}

void read_definitions(const std::filesystem::path& path, Definitions& definitions,
                      LoadReport& report) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > kFileMax) {
    report.errors.push_back(
        {path.string(), 0, 0, fmt::format("larger than {} MiB", kFileMax >> 20)});
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (error || file.bad() || !file.is_open()) {
    report.errors.push_back({path.string(), 0, 0, "cannot be read"});
    return;
  }
  read_definitions(path.string(), std::move(text), definitions, report);
}

}  // namespace picket::rule
