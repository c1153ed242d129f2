#include "agent/detect/rule/value_bounds.h"

#include <algorithm>
#include <utility>

#include "agent/detect/rule/matcher.h"

namespace picket::rule {
namespace {

constexpr size_t kSteps = 4096;  // comparisons of beginnings: what takes more is not looked at

// Takes out what is not among `values`, which are sorted.
template <class Value>
void keep_common(std::optional<std::vector<Value>>& known, std::vector<Value> values) {
  if (!known.has_value()) {
    known = std::move(values);
    return;
  }
  std::erase_if(*known,
                [&](const Value& value) { return !std::ranges::binary_search(values, value); });
}

bool begins_with_one(const std::string& text, const std::vector<std::string>& beginnings) {
  return std::ranges::any_of(
      beginnings, [&](const std::string& beginning) { return text.starts_with(beginning); });
}

}  // namespace

bool ValueBounds::narrow(const FieldReference& field, Operator op,
                         const std::vector<std::string>& values) {
  if (values.empty()) return true;
  if (field.type == FieldType::number) return narrow_numbers(field, op, values);
  return field.type != FieldType::text || narrow_texts(op, values);
}

bool ValueBounds::narrow_numbers(const FieldReference& field, Operator op,
                                 const std::vector<std::string>& values) {
  std::vector<int64_t> numbers;
  for (const std::string& value : values) numbers.push_back(number_of(field, value).value_or(0));
  const int64_t number = numbers.front();
  std::ranges::sort(numbers);
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      keep_common(numbers_, std::move(numbers));
      break;
    case Operator::less:
      if (number == std::numeric_limits<int64_t>::min()) return false;
      most_ = std::min(most_, number - 1);
      break;
    case Operator::less_equal:
      most_ = std::min(most_, number);
      break;
    case Operator::greater:
      if (number == std::numeric_limits<int64_t>::max()) return false;
      least_ = std::max(least_, number + 1);
      break;
    case Operator::greater_equal:
      least_ = std::max(least_, number);
      break;
    default:
      return true;
  }
  if (numbers_.has_value())
    std::erase_if(*numbers_, [this](int64_t one) { return one < least_ || one > most_; });
  return least_ <= most_ && (!numbers_.has_value() || !numbers_->empty());
}

bool ValueBounds::narrow_texts(Operator op, const std::vector<std::string>& values) {
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      keep_common(texts_, values);
      break;
    case Operator::starts_with:
      if (!beginnings_.has_value()) {
        beginnings_ = values;
      } else if (beginnings_->size() * values.size() <= kSteps) {
        // Of two beginnings of one text one begins with the other; the longer one stays.
        std::vector<std::string> both;
        for (const std::string& one : *beginnings_) {
          if (begins_with_one(one, values)) both.push_back(one);
        }
        for (const std::string& one : values) {
          if (begins_with_one(one, *beginnings_)) both.push_back(one);
        }
        beginnings_ = std::move(both);
      }
      break;
    case Operator::ends_with: {
      const std::string& end = values.front();
      if (end_.has_value() && !end_->ends_with(end) && !end.ends_with(*end_)) return false;
      if (!end_.has_value() || end.size() > end_->size()) end_ = end;
      break;
    }
    default:
      return true;
  }
  if (texts_.has_value()) {
    const bool few = beginnings_.has_value() && texts_->size() * beginnings_->size() <= kSteps;
    std::erase_if(*texts_, [&](const std::string& text) {
      return (few && !begins_with_one(text, *beginnings_)) ||
             (end_.has_value() && !text.ends_with(*end_));
    });
  }
  return (!texts_.has_value() || !texts_->empty()) &&
         (!beginnings_.has_value() || !beginnings_->empty());
}

}  // namespace picket::rule
