#include "agent/detect/rule/scope_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace picket::rule {
namespace {

constexpr std::string_view kLabel = "label";

constexpr auto kFields = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"namespace", "k8s.ns.name"},
    {"owner", "workspace.owner"},
    {"template", "workspace.template"},
    {"repository", "workspace.repository"},
    {"pull_request", "workspace.pull_request"},
    {"profile", "workspace.profile"},
    {"workspace", "workspace.name"},
    {"image", "container.image"},
    {"agent", "lineage.agent"},
});

class ScopeReader {
 public:
  ScopeReader(YamlItem& item, LoadReport& report) : item_(item), report_(report) {}

  ScopeDefinition read(const YAML::Node& node) {
    if (!node.IsMap()) {
      item_.fail(node.Mark(), "a mapping expected for 'scope': owner: NAME, label: {KEY: VALUE}");
      return {};
    }
    if (node.size() == 0) {
      item_.fail(node.Mark(),
                 "an empty 'scope' selects nothing; without the key a rule holds "
                 "everywhere");
      return {};
    }
    YamlItem scope(node, item_.file(), report_);
    scope.allow({"namespace", "label", "owner", "template", "repository", "pull_request", "profile",
                 "workspace", "image", "agent"});
    for (const auto& [key, field] : kFields) {
      if (scope.has(key)) add(std::string(field), scope.value(key), scope.value(key).Mark());
    }
    if (scope.has(kLabel)) add_labels(scope.value(kLabel));
    return std::move(selectors_);
  }

 private:
  void add_labels(const YAML::Node& labels) {
    if (!labels.IsMap()) {
      item_.fail(labels.Mark(), "a mapping of keys to values expected for 'label'");
      return;
    }
    for (const auto& label : labels) {
      const std::string key = label.first.IsScalar() ? label.first.Scalar() : "";
      if (key.empty()) {
        item_.fail(label.first.Mark(), "a label's key expected");
      } else {
        add(fmt::format("workspace.label[{}]", key), label.second, label.first.Mark());
      }
    }
  }

  void add(std::string field, const YAML::Node& value, const YAML::Mark& mark) {
    Selector selector{item_.text_of(value), std::move(field), {}};
    selector.at.start = {mark.line + 1, mark.column + 1};
    const auto take = [&](const YAML::Node& one) {
      if (one.IsScalar() && !one.Scalar().empty()) {
        selector.values.push_back(item_.text_of(one));
      } else {
        item_.fail(one.Mark(), "a text expected, or a list of them");
      }
    };
    if (value.IsSequence()) {
      for (const YAML::Node& one : value) take(one);
      if (value.size() == 0) item_.fail(value.Mark(), "an empty list selects nothing");
    } else {
      take(value);
    }
    selectors_.push_back(std::move(selector));
  }

  YamlItem& item_;
  LoadReport& report_;
  ScopeDefinition selectors_;
};

}  // namespace

ScopeDefinition read_scope(YamlItem& item, LoadReport& report) {
  if (!item.has("scope")) return {};
  return ScopeReader(item, report).read(item.value("scope"));
}

}  // namespace picket::rule
