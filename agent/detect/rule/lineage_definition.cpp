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

}  // namespace

void read_lineage(YamlItem& item, Definitions& definitions) {
  bool valid = item.allow(
      {"lineage", "desc", "origin", "programs", "scripts", "modules", "environment", "terminals"});
  SourceText name;
  OriginDefinition lineage;
  valid &= item.read_name("lineage", name);
  valid &= read_origin(item, lineage);
  valid &= read_texts(item, "programs", lineage.programs);
  valid &= read_texts(item, "scripts", lineage.scripts);
  valid &= read_texts(item, "modules", lineage.modules);
  valid &= read_texts(item, "environment", lineage.environment);
  valid &= item.read("terminals", lineage.terminals);
  if (!valid) return;
  if (!lineage.environment.empty() && lineage.origin != Origin::ai_agent) {
    item.fail(name, "'environment' is asked of AI agents only: of others it would be a way out");
    return;
  }
  lineage.name = name.value;
  definitions.lineages.insert_or_assign(name.value, std::move(lineage));
}

}  // namespace picket::rule
