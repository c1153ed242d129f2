#include "agent/detect/rule/definitions.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "agent/detect/rule/file_class_reader.h"
#include "agent/detect/rule/lineage_definition.h"
#include "agent/detect/rule/load_limits.h"
#include "agent/detect/rule/override.h"
#include "agent/detect/rule/required_versions.h"
#include "agent/detect/rule/rule_reader.h"
#include "agent/detect/rule/yaml_documents.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {
namespace {

class FileReader {
 public:
  FileReader(std::shared_ptr<const SourceFile> file, Definitions& definitions, LoadReport& report)
      : file_(std::move(file)),
        definitions_(definitions),
        report_(report),
        rules_(definitions, report) {}

  void read(const YAML::Node& document) {
    if (!document.IsSequence()) {
      fail(document.Mark(), "a list of rules, macros and lists expected: '- rule: NAME'");
      return;
    }
    for (const YAML::Node& item : document) {
      if (report_.errors.size() >= kErrorsMax) break;
      read_item(item);
    }
    says_nothing_ = says_nothing_ && document.size() == 0;
  }
  bool says_nothing() const { return says_nothing_; }

 private:
  void read_item(const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      fail(node.Mark(), "a mapping expected that starts with 'rule', 'macro', 'list' or 'lineage'");
      return;
    }
    YamlItem item(node, file_, report_);
    if (item.has("rule")) {
      rules_.read(item);
    } else if (item.has("macro")) {
      read_macro(item);
    } else if (item.has("list")) {
      read_list(item);
    } else if (item.has("egress")) {
      rules_.read_egress_policy(item);
    } else if (item.has("agent_files")) {
      rules_.read_agent_files_policy(item);
    } else if (item.has("waiver")) {
      read_waiver(item);
    } else if (item.has("lineage")) {
      read_lineage(item, report_, definitions_);
    } else if (item.has("file_class")) {
      read_file_class(item, definitions_);
    } else if (item.has("required_engine_version")) {
      check_engine_version(item);
    } else if (item.has("required_plugin_versions")) {
      check_plugin_versions(item, report_);
    } else {
      item.note(node.Mark(),
                "this defines nothing and is left aside; 'rule', 'macro', 'list', 'waiver', "
                "'egress', 'agent_files', 'file_class' or 'lineage' expected");
    }
  }

  void read_list(YamlItem& item) {
    bool valid = item.allow({"list", "items", "desc", "append", "override"}, YamlItem::kLeftAside);
    ListDefinition list;
    valid &= item.read_name("list", list.name);
    valid &= item.read_items("items", [&](SourceText text, bool quoted) {
      list.items.push_back({std::move(text), quoted});
    });
    const auto goes_on = appends(item, "items");
    if (!valid || !goes_on.has_value()) return;
    if (!*goes_on) return replace(definitions_.lists, "list", std::move(list));
    ListDefinition* known = earlier(item, definitions_.lists, "list", list.name);
    if (known != nullptr) std::ranges::move(list.items, std::back_inserter(known->items));
  }

  void read_macro(YamlItem& item) {
    bool valid =
        item.allow({"macro", "condition", "desc", "append", "override"}, YamlItem::kLeftAside);
    MacroDefinition macro;
    valid &= item.read_name("macro", macro.name);
    valid &= item.read("condition", macro.condition, YamlItem::kRequired);
    const auto goes_on = appends(item, "condition");
    if (!valid || !goes_on.has_value()) return;
    if (!*goes_on) return replace(definitions_.macros, "macro", std::move(macro));
    MacroDefinition* known = earlier(item, definitions_.macros, "macro", macro.name);
    if (known != nullptr) known->condition.append(std::move(macro.condition));
  }

  void read_waiver(YamlItem& item) {
    auto waiver = rule::read_waiver(item, report_);
    if (!waiver.has_value()) return;
    const auto [at, fresh] =
        definitions_.waiver_index.try_emplace(waiver->info.name, definitions_.waivers.size());
    if (fresh) {
      definitions_.waivers.push_back(*std::move(waiver));
      return;
    }
    WaiverDefinition& known = definitions_.waivers[at->second];
    report_.notes.push_back(replaced("waiver", known.name, waiver->name));
    known = *std::move(waiver);
  }

  template <class Definition>
  void replace(std::map<std::string, Definition, std::less<>>& known, std::string_view what,
               Definition definition) {
    const auto [at, fresh] = known.try_emplace(definition.name.value);
    if (!fresh) report_.notes.push_back(replaced(what, at->second.name, definition.name));
    at->second = std::move(definition);
  }

  template <class Definition>
  static Definition* earlier(YamlItem& item, std::map<std::string, Definition, std::less<>>& all,
                             std::string_view what, const SourceText& name) {
    const auto known = all.find(name.value);
    if (known != all.end()) return &known->second;
    item.fail(name, fmt::format("{} '{}' is not defined before this; its definition expected "
                                "above, or in an earlier file",
                                what, name.value));
    return nullptr;
  }

  void fail(const YAML::Mark& mark, std::string message) {
    report_.errors.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
  }

  std::shared_ptr<const SourceFile> file_;
  bool says_nothing_ = true;
  Definitions& definitions_;
  LoadReport& report_;
  RuleReader rules_;
};

}  // namespace

Diagnostic diagnostic(const SourceText& text, size_t offset, std::string message) {
  const Place place = text.at(offset);
  return {place.file->name, place.position.line, place.position.column, std::move(message)};
}

Diagnostic replaced(std::string_view what, const SourceText& old, const SourceText& later) {
  return {later.file->name, later.start.line, later.start.column,
          fmt::format("{} '{}' replaces the definition at {}:{}", what, later.value, old.file->name,
                      old.start.line)};
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

}  // namespace picket::rule
