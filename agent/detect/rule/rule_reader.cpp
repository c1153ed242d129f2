#include "agent/detect/rule/rule_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "agent/detect/rule/agent_files_reader.h"
#include "agent/detect/rule/egress_reader.h"
#include "agent/detect/rule/exception_reader.h"
#include "agent/detect/rule/load_limits.h"
#include "agent/detect/rule/override.h"

namespace picket::rule {
namespace {

constexpr std::string_view kSource = "syscall";

constexpr auto kPriorities = std::to_array<Priority>(
    {Priority::emergency, Priority::alert, Priority::critical, Priority::error, Priority::warning,
     Priority::notice, Priority::informational, Priority::debug});

// What a later definition can change of an earlier one; both are possible where `append` is there.
struct Change {
  std::string_view key;
  void (*replace)(RuleDefinition& rule, RuleDefinition& given);
  void (*append)(YamlItem& item, RuleDefinition& rule, RuleDefinition& given) = nullptr;
};

// One that stands twice is dropped when the rule is compiled.
void append_tags(YamlItem&, RuleDefinition& rule, RuleDefinition& given) {
  std::ranges::move(given.info.tags, std::back_inserter(rule.info.tags));
}

constexpr auto kChanges = std::to_array<Change>({
    {"condition", [](auto& rule, auto& given) { rule.condition = std::move(given.condition); },
     [](auto&, auto& rule, auto& given) { rule.condition.append(std::move(given.condition)); }},
    {"output", [](auto& rule, auto& given) { rule.output = std::move(given.output); },
     [](auto&, auto& rule, auto& given) { rule.output.append(std::move(given.output)); }},
    {"desc", [](auto& rule, auto& given) { rule.info.desc = std::move(given.info.desc); },
     [](auto&, auto& rule, auto& given) { rule.info.desc += ' ' + given.info.desc; }},
    {"tags", [](auto& rule, auto& given) { rule.info.tags = std::move(given.info.tags); },
     append_tags},
    {"exceptions", [](auto& rule, auto& given) { rule.exceptions = std::move(given.exceptions); },
     [](auto& item, auto& rule, auto& given) {
       append_exceptions(item, std::move(given.exceptions), rule.exceptions);
     }},
    {"priority", [](auto& rule, auto& given) { rule.info.priority = given.info.priority; }},
    {"enabled", [](auto& rule, auto& given) { rule.info.enabled = given.info.enabled; }},
    {"warn_evttypes",
     [](auto& rule, auto& given) { rule.warn_event_types = given.warn_event_types; }},
    {"skip-if-unknown-filter",
     [](auto& rule, auto& given) { rule.skip_unknown = given.skip_unknown; }},
    {"capture", [](auto&, auto&) {}},
    {"capture_duration", [](auto&, auto&) {}},
    {"sequence",
     [](auto& rule, auto& given) {
       rule.sequence = std::move(given.sequence);
       rule.condition = {};
     }},
    {"scope", [](auto& rule, auto& given) { rule.scope = std::move(given.scope); }},
    {"shadow", [](auto& rule, auto& given) { rule.info.shadow = given.info.shadow; }},
    {"merge", [](auto& rule, auto& given) { rule.info.merge = given.info.merge; }},
    {"why", [](auto& rule, auto& given) { rule.info.why = std::move(given.info.why); }},
    {"respond", [](auto& rule, auto& given) { rule.info.respond = given.info.respond; }},
});

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

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

struct RuleReader::Given {
  RuleDefinition rule;
  SourceText source;
};

void RuleReader::read(YamlItem& item) {
  Given given;
  if (!read_keys(item, given)) return;
  bool append_flag = false;
  const bool changes = item.has("override");
  if (!changes && !item.read("append", append_flag)) return;
  const bool only_switched = !item.has("condition") && !item.has("sequence") &&
                             !item.has("output") && !item.has("desc") && !item.has("priority") &&
                             item.has("enabled");
  if (changes) {
    override_keys(item, std::move(given));
  } else if (append_flag) {
    append(item, std::move(given));
  } else if (only_switched) {
    switch_on_or_off(item, given);
  } else {
    define(item, std::move(given));
  }
}

// What is there, required or not; false: the rule has no name.
bool RuleReader::read_keys(YamlItem& item, Given& given) {
  item.allow({"rule",
              "desc",
              "condition",
              "output",
              "priority",
              "tags",
              "enabled",
              "source",
              "exceptions",
              "override",
              "append",
              "warn_evttypes",
              "capture",
              "capture_duration",
              "why",
              "respond",
              "skip-if-unknown-filter",
              "sequence",
              "scope",
              "shadow",
              "merge"},
             YamlItem::kLeftAside);
  RuleDefinition& rule = given.rule;
  if (!item.read_name("rule", rule.name)) return false;
  rule.info.name = rule.name.value;
  rule.info.file = item.file()->name;
  rule.info.line = rule.name.start.line;
  rule.info.column = rule.name.start.column;
  rule.info.source = kSource;
  SourceText text;
  item.read("condition", rule.condition);
  item.read("output", rule.output);
  if (item.has("desc") && item.read("desc", text)) rule.info.desc = trimmed(text.value);
  if (item.has("why") && item.read("why", text)) rule.info.why = trimmed(text.value);
  item.read("enabled", rule.info.enabled);
  item.read("shadow", rule.info.shadow);
  rule.scope = read_scope(item, report_);
  item.read("warn_evttypes", rule.warn_event_types);
  item.read("skip-if-unknown-filter", rule.skip_unknown);
  item.read("source", given.source);
  if (item.has("sequence")) {
    rule.sequence = read_sequence(item.value("sequence"), item.file(), report_);
    if (item.has("condition"))
      item.fail(item.value("condition").Mark(), "a rule has a condition or a sequence, not both");
  }
  read_priority(item, rule.info);
  read_respond(item, rule.info);
  read_merge(item, rule.info);
  item.read_items(
      "tags", [&](SourceText tag, bool) { rule.info.tags.push_back(std::move(tag.value)); },
      YamlItem::kOptional);
  rule.exceptions = read_exceptions(item, report_);
  return true;
}

// A policy is a rule whose condition follows from what it allows.
void RuleReader::read_egress_policy(YamlItem& item) {
  const size_t errors = report_.errors.size();
  item.allow({"egress", "desc", "why", "scope", "allow", "priority", "shadow", "enabled", "respond",
              "tags"});
  auto rule = read_policy(
      item, "egress",
      "The workspace's policy names the destinations that its work needs; this is none.");
  if (!rule.has_value()) return;
  if (rule->info.tags.empty()) rule->info.tags = {"egress", "network"};
  if (read_egress(item, report_, *rule) && report_.errors.size() == errors) keep(*std::move(rule));
}

void RuleReader::read_agent_files_policy(YamlItem& item) {
  const size_t errors = report_.errors.size();
  item.allow({"agent_files", "desc", "why", "scope", "write", "credentials", "startup", "priority",
              "shadow", "enabled", "respond", "tags"});
  auto rule = read_policy(
      item, "agent_files",
      "The policy names what an AI agent's work needs of the files; this is not of it.");
  if (!rule.has_value()) return;
  if (rule->info.tags.empty()) rule->info.tags = {"ai_agent", "filesystem"};
  if (read_agent_files(item, *rule) && report_.errors.size() == errors) keep(*std::move(rule));
}

// What policies have in common; the rule is called KIND.NAME.
std::optional<RuleDefinition> RuleReader::read_policy(YamlItem& item, std::string_view kind,
                                                      std::string_view why) {
  RuleDefinition rule;
  if (!item.read_name(kind, rule.name)) return std::nullopt;
  rule.name.value = fmt::format("{}.{}", kind, rule.name.value);
  rule.info.name = rule.name.value;
  rule.info.file = item.file()->name;
  rule.info.line = rule.name.start.line;
  rule.info.column = rule.name.start.column;
  rule.info.source = kSource;
  rule.info.priority = Priority::warning;
  rule.info.why = why;
  SourceText text;
  if (item.has("desc") && item.read("desc", text)) rule.info.desc = trimmed(text.value);
  if (item.has("why") && item.read("why", text)) rule.info.why = trimmed(text.value);
  item.read("enabled", rule.info.enabled);
  item.read("shadow", rule.info.shadow);
  rule.scope = read_scope(item, report_);
  read_priority(item, rule.info);
  read_respond(item, rule.info);
  item.read_items(
      "tags", [&](SourceText tag, bool) { rule.info.tags.push_back(std::move(tag.value)); },
      YamlItem::kOptional);
  return rule;
}

void RuleReader::read_priority(YamlItem& item, RuleInfo& info) {
  SourceText text;
  if (!item.has("priority") || !item.read("priority", text)) return;
  if (const auto priority = parse_priority(text.value)) {
    info.priority = *priority;
    return;
  }
  item.fail(text, fmt::format("'{}' is not a priority; one of EMERGENCY ALERT CRITICAL ERROR "
                              "WARNING NOTICE INFORMATIONAL DEBUG expected",
                              text.value));
}

void RuleReader::read_respond(YamlItem& item, RuleInfo& info) {
  SourceText text;
  if (!item.has("respond") || !item.read("respond", text)) return;
  if (const auto action = parse_respond(text.value)) {
    info.respond = *action;
    return;
  }
  item.fail(text, fmt::format("'{}' is not a response; none, kill or freeze expected", text.value));
}

void RuleReader::read_merge(YamlItem& item, RuleInfo& info) {
  SourceText text;
  if (!item.has("merge") || !item.read("merge", text)) return;
  constexpr std::array<std::string_view, 3> kWords{"process", "lineage", "package"};
  const auto word = std::ranges::find(kWords, text.value);
  if (word != kWords.end())
    info.merge = static_cast<MergeBy>(word - kWords.begin());
  else
    item.fail(text, fmt::format("'{}' is none of process, lineage and package", text.value));
}

void RuleReader::define(YamlItem& item, Given given) {
  bool complete = item.has("sequence")
                      ? given.rule.sequence.has_value()
                      : item.require("condition") && given.rule.condition.file != nullptr;
  complete &= item.require("output") && given.rule.output.file != nullptr;
  item.require("priority");
  if (!given.source.value.empty() && given.source.value != kSource) {
    item.note(given.source, fmt::format("rule '{}' is left out: nothing here reads the source '{}'",
                                        given.rule.name.value, given.source.value));
    definitions_.foreign_rules.insert(given.rule.name.value);
    return;
  }
  if (item.has("capture")) {
    item.note(item.text_of(item.value("capture")), "nothing is captured here: left aside");
  }
  // Kept whatever is wrong with the other keys, so that the condition's errors are found in the
  // same run.
  if (!complete) return;
  keep(std::move(given.rule));
}

void RuleReader::keep(RuleDefinition rule) {
  if (definitions_.rules.size() == kRulesMax &&
      !definitions_.rule_index.contains(rule.name.value)) {
    report_.errors.push_back(
        diagnostic(rule.name, 0, fmt::format("more than {} rules", kRulesMax)));
    return;
  }
  const auto [at, fresh] =
      definitions_.rule_index.try_emplace(rule.name.value, definitions_.rules.size());
  if (fresh) {
    definitions_.rules.push_back(std::move(rule));
    return;
  }
  RuleDefinition& known = definitions_.rules[at->second];
  report_.notes.push_back(replaced("rule", known.name, rule.name));
  known = std::move(rule);
}

// nullptr: there is none, which is an error unless it was left out for its source.
RuleDefinition* RuleReader::earlier(YamlItem& item, const Given& given) {
  const std::string& name = given.rule.name.value;
  const auto known = definitions_.rule_index.find(name);
  if (known != definitions_.rule_index.end()) return &definitions_.rules[known->second];
  if (!definitions_.foreign_rules.contains(name)) {
    item.fail(given.rule.name, fmt::format("rule '{}' is not defined before this; its definition "
                                           "expected above, or in an earlier file",
                                           name));
  }
  return nullptr;
}

void RuleReader::override_keys(YamlItem& item, Given given) {
  static const auto kKeys = [] {
    std::array<OverrideKey, kChanges.size()> keys;
    std::ranges::transform(kChanges, keys.begin(), [](const Change& change) {
      return OverrideKey{change.key, change.append != nullptr, true};
    });
    return keys;
  }();
  const auto overrides = read_override(item, kKeys);
  RuleDefinition* rule = earlier(item, given);
  if (!overrides.has_value() || rule == nullptr || !takes_condition(item, *rule)) return;
  for (const Override& one : *overrides) {
    const Change& change = *std::ranges::find(kChanges, one.key, &Change::key);
    if (one.append) {
      change.append(item, *rule, given.rule);
    } else {
      change.replace(*rule, given.rule);
    }
  }
}

bool RuleReader::takes_condition(YamlItem& item, const RuleDefinition& rule) {
  if (!item.has("condition") || item.has("sequence") || !rule.sequence.has_value()) return true;
  return item.fail(item.value("condition").Mark(),
                   fmt::format("rule '{}' has a sequence and no condition; an override with "
                               "'sequence: replace' expected",
                               rule.name.value));
}

// The older spelling: it goes on with the condition and the exceptions, and with nothing else.
void RuleReader::append(YamlItem& item, Given given) {
  RuleDefinition* rule = earlier(item, given);
  if (rule == nullptr || !takes_condition(item, *rule)) return;
  for (const Change& change : kChanges) {
    if (change.key == "condition" || change.key == "exceptions" || !item.has(change.key)) continue;
    item.note(
        item.text_of(item.value(change.key)),
        fmt::format("'append: true' leaves '{}' as it was; 'override' changes it", change.key));
  }
  if (item.has("condition")) rule->condition.append(std::move(given.rule.condition));
  append_exceptions(item, std::move(given.rule.exceptions), rule->exceptions);
}

void RuleReader::switch_on_or_off(YamlItem& item, const Given& given) {
  RuleDefinition* rule = earlier(item, given);
  if (rule == nullptr) return;
  for (const Change& change : kChanges) {
    if (change.key == "enabled" || !item.has(change.key)) continue;
    item.fail(item.value(change.key).Mark(),
              fmt::format("beside 'enabled' alone '{}' would change nothing; an override with "
                          "'{}: replace' expected",
                          change.key, change.key));
  }
  rule->info.enabled = given.rule.info.enabled;
}

}  // namespace picket::rule
