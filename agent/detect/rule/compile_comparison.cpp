// The compiler's part for a single comparison: its fields, its operator, its values.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/event_names.h"
#include "agent/detect/rule/field_match.h"
#include "agent/detect/rule/value_doubts.h"

namespace picket::rule {
namespace {

constexpr size_t kNesting = 32;    // of lists within lists
constexpr size_t kOneOfMax = 256;  // values

// Whether its values are whole names of events.
bool names_events(const FieldReference& field, Operator op) {
  const bool whole = op == Operator::equal || op == Operator::not_equal || op == Operator::in ||
                     op == Operator::intersects;
  return whole && (field.text == "evt.type" || field.text == "syscall.type");
}

}  // namespace

// A bare word such as shell_binaries that stands alone in brackets was meant as the name of a list;
// one of 15 bytes may be the name of a process as the kernel cut it.
bool Compiler::looks_like_list_name(const Literal& value) {
  constexpr size_t kCutName = PK_COMM_LEN - 1;
  return !value.quoted && value.text.size() != kCutName &&
         value.text.find('_') != std::string::npos && std::ranges::all_of(value.text, [](char c) {
           return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9');
         });
}

std::optional<FieldReference> Compiler::resolve(const Operand& operand, const SourceText& text) {
  constexpr size_t kSuggestions = 20;
  auto resolved = resolve_field(operand, unknown_count_ < kSuggestions);
  if (auto* unknown = std::get_if<std::string>(&resolved)) {
    return fail_unknown(text, operand.offset, std::move(*unknown));
  }
  auto& field = std::get<FieldReference>(resolved);
  if (!field.gap().empty() && trail_->gaps.size() < kGapsNamed) {
    trail_->gaps.try_emplace(field.text, field.gap());
  }
  return std::move(field);
}

std::optional<NodeId> Compiler::compile_comparison(const Comparison& comparison,
                                                   const SourceText& text) {
  const auto field = resolve(comparison.left, text);
  if (!field.has_value()) return std::nullopt;
  if (std::string wrong = check_operator(*field, comparison.op); !wrong.empty()) {
    return fail(text, comparison.op_offset, std::move(wrong));
  }
  if (comparison.right.has_value()) return compile_fields(*field, comparison, text);
  const auto right = values(*field, comparison, text);
  if (!right.has_value()) return std::nullopt;
  if (comparison.op != Operator::exists && comparison.values.empty())
    note(text, comparison.op_offset, "nothing is in an empty list: this comparison is false");
  if (comparison.modifier == Modifier::one_of &&
      !spend_on_one_of(right->size(), text, comparison.op_offset)) {
    return std::nullopt;
  }
  return graph_.comparison_with_each(*field, comparison.op, comparison.modifier, *right);
}

std::optional<NodeId> Compiler::compile_fields(const FieldReference& left,
                                               const Comparison& comparison,
                                               const SourceText& text) {
  const auto right = resolve(*comparison.right, text);
  if (!right.has_value()) return std::nullopt;
  if (std::string wrong = check_fields(left, comparison.op, *right); !wrong.empty()) {
    return fail(text, comparison.right->offset, std::move(wrong));
  }
  return graph_.comparison_of_fields(left, comparison.op, *right);
}

std::optional<std::vector<std::string>> Compiler::values(const FieldReference& field,
                                                         const Comparison& comparison,
                                                         const SourceText& text) {
  std::vector<std::string> values;
  bool valid = true;
  for (const Literal& value : comparison.values) {
    if (gives_up()) return std::nullopt;
    if (const List* expanded = list_of(comparison.op, comparison.modifier, value)) {
      if (!spend_on_list(expanded->values, text, value.offset)) return std::nullopt;
      for (const std::string& item : expanded->values) {
        valid &= check(field, comparison.op, item, text, value.offset);
        values.push_back(item);
      }
      continue;
    }
    const bool lists = takes_list(comparison.op) || comparison.modifier != Modifier::none;
    const bool alone = comparison.values.size() == 1 && field.text != "evt.type";
    if (comparison.list_by_name || (lists && alone && looks_like_list_name(value))) {
      fail(text, value.offset,
           fmt::format("unknown list '{}'; the name of a list expected, or a value in quotes and "
                       "brackets",
                       value.text));
      valid = false;
      continue;
    }
    valid &= add_value(field, comparison.op, value, text, values);
  }
  if (!valid) return std::nullopt;
  return values;
}

const Compiler::List* Compiler::list_of(Operator op, Modifier modifier, const Literal& value) {
  const bool lists = takes_list(op) || modifier != Modifier::none;
  return lists && !value.quoted ? list(value.text) : nullptr;
}

bool Compiler::add_value(const FieldReference& field, Operator op, const Literal& value,
                         const SourceText& text, std::vector<std::string>& values) {
  values.push_back(value.text);
  return check(field, op, value.text, text, value.offset);
}

bool Compiler::spend_on_list(const std::vector<std::string>& values, const SourceText& text,
                             size_t offset) {
  for (const std::string& value : values) list_bytes_ += sizeof(value) + value.size();
  if (list_bytes_ <= kListBytes) return true;
  fail(text, offset,
       fmt::format("the lists of these rules, written out, take more than {} MiB",
                   kListBytes >> 20));
  return false;
}

// Each value is a handful of nodes.
bool Compiler::spend_on_one_of(size_t values, const SourceText& text, size_t offset) {
  if (values > kOneOfMax) {
    fail(text, offset, fmt::format("'oneof' takes at most {} values, not {}", kOneOfMax, values));
    return false;
  }
  one_of_values_ += values;
  if (one_of_values_ <= kOneOfValues) return true;
  fail(text, offset,
       fmt::format("the values of 'oneof' in these rules are more than {}", kOneOfValues));
  return false;
}

bool Compiler::check(const FieldReference& field, Operator op, std::string_view value,
                     const SourceText& text, size_t offset) {
  std::string wrong;
  if (names_events(field, op)) {
    wrong = check_event_name(value);
  } else if (op == Operator::regex && field.gap().empty()) {
    wrong = check_regex(value, kRegexInstructions - regex_instructions_, regex_instructions_);
  } else {
    wrong = check_value(field, op, value);
  }
  if (wrong.empty()) {
    if (std::string doubt = doubt_about(field, op, value); !doubt.empty() && field.gap().empty())
      note(text, offset, std::move(doubt));
    return true;
  }
  fail(text, offset, std::move(wrong));
  return false;
}

// What is misspelt is an error; what exists and is never told is kept for the rules that ask for
// it.
std::string Compiler::check_event_name(std::string_view name) {
  if (is_event_name(name)) return {};
  if (const std::string_view why = why_never_told(name); !why.empty()) {
    if (trail_->untold.size() < kGapsNamed) trail_->untold.try_emplace(std::string(name), why);
    return {};
  }
  const std::string_view meant = nearest_event_name(name);
  return meant.empty() ? fmt::format("no event or system call is called '{}'", name)
                       : fmt::format("no event or system call is called '{}'; did you mean '{}'?",
                                     name, meant);
}

const Compiler::List* Compiler::list(std::string_view name) {
  const auto definition = definitions_.lists.find(name);
  if (definition == definitions_.lists.end()) return nullptr;
  const auto [known, fresh] = lists_.try_emplace(std::string(name));
  List& list_of_name = known->second;
  if (!fresh) return &list_of_name;  // within a circle: what it has until now, reported below
  if (depth_ >= kNesting) {
    fail(definition->second.name, 0, fmt::format("lists nested deeper than {} levels", kNesting));
    list_of_name.done = true;
    return &list_of_name;
  }
  ++depth_;
  const auto append = [&](const ListItem& item, const List& inner) {
    if (!spend_on_list(inner.values, item.text, 0)) return false;
    list_of_name.values.insert(list_of_name.values.end(), inner.values.begin(), inner.values.end());
    return true;
  };
  for (const ListItem& item : definition->second.items) {
    const List* inner = item.quoted ? nullptr : list(item.text.value);
    if (inner == nullptr) {
      list_of_name.values.push_back(item.text.value);
    } else if (!inner->done) {
      fail(item.text, 0, fmt::format("list '{}' contains itself", item.text.value));
    } else if (!append(item, *inner)) {
      break;
    }
  }
  --depth_;
  std::ranges::sort(list_of_name.values);
  list_of_name.values.erase(std::unique(list_of_name.values.begin(), list_of_name.values.end()),
                            list_of_name.values.end());
  list_of_name.done = true;
  return &list_of_name;
}

}  // namespace picket::rule
