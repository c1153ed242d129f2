// Scopes and waivers, as conditions over the workspace and the lineage.
#include <fmt/format.h>

#include <algorithm>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/text_match.h"

namespace picket::rule {
namespace {

bool is_pattern(std::string_view value) { return value.find_first_of("*?[") != value.npos; }

}  // namespace

std::optional<NodeId> Compiler::compile_scope(const ScopeDefinition& scope) {
  std::vector<NodeId> all;
  for (const Selector& selector : scope) {
    SourceText name = selector.at;
    name.value = selector.field;
    const auto field = exception_field(name);
    if (!field.has_value()) return std::nullopt;
    std::vector<NodeId> any;
    std::vector<std::string> exact;
    for (const SourceText& value : selector.values) {
      if (is_pattern(value.value)) {
        any.push_back(graph_.comparison(*field, Operator::glob, {value.value}));
      } else {
        exact.push_back(value.value);
      }
    }
    if (!exact.empty()) any.push_back(graph_.comparison(*field, Operator::in, std::move(exact)));
    all.push_back(graph_.any(any));
  }
  return all.empty() ? kTrue : graph_.all(all);
}

void Compiler::compile_waiver(const WaiverDefinition& definition, Program& program) {
  Trail trail;
  trail_ = &trail;
  std::vector<NodeId> parts;
  bool valid = true;
  const auto add = [&](std::optional<NodeId> part) {
    valid &= part.has_value();
    if (part.has_value()) parts.push_back(*part);
  };
  add(compile_scope(definition.scope));
  if (definition.condition.file != nullptr) add(compile_text(definition.condition));
  trail_ = &lists_trail_;
  want(trail);
  std::ranges::move(trail.errors, std::back_inserter(rule_errors_));
  if (!valid) return;
  const auto index = static_cast<uint32_t>(program.waivers.size());
  program.waivers.push_back({definition.info, graph_.all(parts)});
  for (const SourceText& pattern : definition.rules) {
    bool found = false;
    for (uint32_t rule = 0; rule < program.rules.size(); ++rule) {
      if (!glob_match(pattern.value, program.rules[rule].name)) continue;
      found = true;
      std::vector<uint32_t>& waivers = program.waivers_of[rule];
      if (std::ranges::count(waivers, index) == 0) waivers.push_back(index);
    }
    if (!found) {
      note(pattern, 0,
           fmt::format("waiver '{}' names no rule: '{}'", definition.info.name, pattern.value));
    }
  }
}

}  // namespace picket::rule
