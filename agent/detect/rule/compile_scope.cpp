// Scopes and waivers, as conditions over the workspace and the lineage.
#include <fmt/format.h>

#include <algorithm>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/text_match.h"

namespace picket::rule {
namespace {

bool is_pattern(std::string_view value) { return value.find_first_of("*?[") != value.npos; }

bool is_literal(std::string_view name) { return name.find_first_of("*?[\\") == name.npos; }

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
    const auto rules = rules_named(pattern, program);
    if (!rules.has_value()) return;
    for (const uint32_t rule : *rules) {
      std::vector<uint32_t>& waivers = program.waivers_of[rule];
      if (waivers.empty() || waivers.back() != index) waivers.push_back(index);
    }
    if (rules->empty()) {
      note(pattern, 0,
           fmt::format("waiver '{}' names no rule: '{}'", definition.info.name, pattern.value));
    }
  }
}

// nullopt: an error was reported.
std::optional<std::vector<uint32_t>> Compiler::rules_named(const SourceText& pattern,
                                                           const Program& program) {
  if (is_literal(pattern.value)) {
    const auto known = rule_index_.find(pattern.value);
    if (known == rule_index_.end()) return std::vector<uint32_t>();
    return std::vector<uint32_t>{known->second};
  }
  std::vector<uint32_t> rules;
  for (uint32_t rule = 0; rule < program.rules.size(); ++rule) {
    const std::string& name = program.rules[rule].name;
    waiver_steps_ += (pattern.value.size() + 1) * (name.size() + 1);
    if (waiver_steps_ > kWaiverSteps) {
      ++error_count_;
      rule_errors_.push_back(
          diagnostic(pattern, 0,
                     "too many patterns of waivers for so many rules; fewer of them, or the names "
                     "of rules expected"));
      return std::nullopt;
    }
    if (glob_match(pattern.value, name)) rules.push_back(rule);
  }
  return rules;
}

}  // namespace picket::rule
