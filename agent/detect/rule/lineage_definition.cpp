#include "agent/detect/rule/lineage_definition.h"

#include <fmt/format.h>

#include <utility>

namespace picket::rule {
namespace {

bool read_texts(YamlItem& item, std::string_view key, std::vector<std::string>& texts) {
  bool valid = true;
  const bool read = item.read_items(
      key,
      [&](SourceText text, bool) {
        if (text.value.empty()) valid = item.fail(text, fmt::format("an empty item of '{}'", key));
        texts.push_back(std::move(text.value));
      },
      YamlItem::kOptional);
  return valid && read;
}

bool read_origin(YamlItem& item, OriginDefinition& lineage) {
  SourceText text;
  if (!item.read("origin", text, YamlItem::kRequired)) return false;
  const auto origin = origin_of(text.value);
  if (!origin || *origin == Origin::unknown)
    return item.fail(text, fmt::format("'{}' is no origin; one of human ide build package_manager "
                                       "ai_agent service platform expected",
                                       text.value));
  lineage.origin = *origin;
  return true;
}

bool read_package(YamlItem& item, OriginDefinition& lineage) {
  PackagePattern pattern;
  const std::pair<std::string_view, std::string*> parts[] = {{"command", &pattern.command},
                                                             {"folder", &pattern.folder},
                                                             {"program", &pattern.program},
                                                             {"arguments", &pattern.arguments}};
  bool valid = item.allow({"command", "folder", "program", "arguments", "desc"});
  for (const auto& [key, text] : parts) {
    SourceText given;
    if (!item.has(key)) continue;
    if (!item.read(key, given)) {
      valid = false;
    } else if (const auto alone = PackageMark::compile({.command = given.value}); !alone.ok()) {
      valid = item.fail(given, std::string(alone.status().message()));
    } else {
      *text = given.value;
    }
  }
  if (!valid) return false;
  if (pattern.folder.empty() && pattern.program.empty() && pattern.arguments.empty())
    return item.fail(item.mark(),
                     "takes all that it starts for a package's; a folder, a program or arguments "
                     "expected");
  lineage.packages.push_back(*PackageMark::compile(pattern));
  return true;
}

bool read_packages(YamlItem& item, LoadReport& report, OriginDefinition& lineage) {
  if (!item.has("packages")) return true;
  const YAML::Node packages = item.value("packages");
  if (!packages.IsSequence())
    return item.fail(packages.Mark(), "a list expected for 'packages': '- folder: PATTERN'");
  bool valid = true;
  for (const YAML::Node& node : packages) {
    if (!node.IsMap()) {
      valid = item.fail(node.Mark(), "a mapping expected: command, folder, program, arguments");
      continue;
    }
    YamlItem one(node, item.file(), report);
    valid &= read_package(one, lineage);
  }
  return valid;
}

}  // namespace

void read_lineage(YamlItem& item, LoadReport& report, Definitions& definitions) {
  bool valid = item.allow({"lineage", "desc", "origin", "programs", "scripts", "modules",
                           "environment", "contents", "terminals", "packages"});
  SourceText name;
  OriginDefinition lineage;
  valid &= item.read_name("lineage", name);
  valid &= read_origin(item, lineage);
  valid &= read_texts(item, "programs", lineage.programs);
  valid &= read_texts(item, "scripts", lineage.scripts);
  valid &= read_texts(item, "modules", lineage.modules);
  valid &= read_texts(item, "environment", lineage.environment);
  valid &= read_texts(item, "contents", lineage.contents);
  valid &= item.read("terminals", lineage.terminals);
  valid &= read_packages(item, report, lineage);
  if (!valid) return;
  if (!lineage.environment.empty() && lineage.origin != Origin::ai_agent) {
    item.fail(name, "'environment' is asked of AI agents only: of others it would be a way out");
    return;
  }
  if (!lineage.contents.empty() && lineage.origin != Origin::ai_agent) {
    item.fail(name, "'contents' is asked of AI agents only: of others it would be a way out");
    return;
  }
  const bool installs =
      lineage.origin == Origin::package_manager || lineage.origin == Origin::build;
  if (!lineage.packages.empty() && !installs) {
    item.fail(name, "'packages' is asked of package managers and build tools only");
    return;
  }
  lineage.name = name.value;
  definitions.lineages.insert_or_assign(name.value, std::move(lineage));
}

}  // namespace picket::rule
