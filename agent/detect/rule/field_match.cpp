#include "agent/detect/rule/field_match.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/detect/rule/matcher.h"
#include "agent/detect/rule/text_match.h"

namespace picket::rule {
namespace {

bool is_text(FieldType type) { return type == FieldType::text || type == FieldType::list; }

// Only operators whose right-hand side may come with the event: a pattern is compiled at the load.
bool takes_field(Operator op) {
  return op != Operator::exists && op != Operator::regex && op != Operator::pmatch &&
         op != Operator::bcontains && op != Operator::bstarts_with && op != Operator::iglob;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains_in_any_case(std::string_view text, std::string_view part) {
  const auto equal = [](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), equal) != text.end() ||
         part.empty();
}

bool test_texts(std::string_view left, Operator op, std::string_view right) {
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      return left == right;
    case Operator::not_equal:
      return left != right;
    case Operator::starts_with:
      return left.starts_with(right);
    case Operator::ends_with:
      return left.ends_with(right);
    case Operator::contains:
      return left.find(right) != std::string_view::npos;
    case Operator::icontains:
      return contains_in_any_case(left, right);
    case Operator::glob:
      return glob_match(right, left);
    default:
      return false;
  }
}

template <class Value>
bool test_values(const Value& left, Operator op, const Value& right) {
  if (op == Operator::not_equal) return !(left == right);
  return (op == Operator::equal || takes_list(op)) && left == right;
}

bool test_numbers(int64_t left, Operator op, int64_t right) {
  switch (op) {
    case Operator::less:
      return left < right;
    case Operator::less_equal:
      return left <= right;
    case Operator::greater:
      return left > right;
    case Operator::greater_equal:
      return left >= right;
    default:
      return test_values(left, op, right);
  }
}

bool test(const FieldValue& left, Operator op, const FieldValue& right) {
  if (left.index() != right.index()) return false;
  if (const auto* text = std::get_if<std::string_view>(&left)) {
    return test_texts(*text, op, std::get<std::string_view>(right));
  }
  if (const auto* number = std::get_if<int64_t>(&left)) {
    return test_numbers(*number, op, std::get<int64_t>(right));
  }
  if (const auto* truth = std::get_if<bool>(&left)) {
    return test_values(*truth, op, std::get<bool>(right));
  }
  const auto* address = std::get_if<IpAddress>(&left);
  return address != nullptr && test_values(*address, op, std::get<IpAddress>(right));
}

}  // namespace

std::string check_fields(const FieldReference& left, Operator op, const FieldReference& right) {
  if (!takes_field(op)) {
    return fmt::format("'{}' takes a fixed value, not another field", to_string(op));
  }
  if (!left.gap().empty() || !right.gap().empty()) return {};
  if (left.type == right.type || (is_text(left.type) && is_text(right.type))) return {};
  return fmt::format("'{}' is a {} and cannot be compared with '{}', which is a {}", left.text,
                     to_string(left.type), right.text, to_string(right.type));
}

bool match_fields(const FieldResult& left, Values left_values, Operator op,
                  const FieldResult& right) {
  if (left.values.empty() || right.values.empty()) return false;
  const auto fits = [&](const FieldValue& one) {
    const auto with = [&](const FieldValue& other) { return test(one, op, other); };
    return op == Operator::not_equal ? std::ranges::all_of(right.values, with)
                                     : std::ranges::any_of(right.values, with);
  };
  const bool wants_all = (op == Operator::not_equal && left_values != Values::any) ||
                         (op == Operator::in && left_values == Values::list);
  return wants_all ? std::ranges::all_of(left.values, fits)
                   : std::ranges::any_of(left.values, fits);
}

}  // namespace picket::rule
