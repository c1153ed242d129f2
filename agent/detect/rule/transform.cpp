#include "agent/detect/rule/transform.h"

#include <fmt/format.h>

#include <algorithm>

namespace picket::rule {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// `text` with what the transformers make of it behind its end, as one value.
FieldValue transformed(std::span<const Transform> transforms, std::string_view value,
                       std::string& text) {
  const size_t begin = text.size();
  text += value;
  size_t from = begin;
  for (const Transform transform : transforms) {
    const auto start = text.begin() + static_cast<ptrdiff_t>(from);
    switch (transform) {
      case Transform::to_lower:
        std::transform(start, text.end(), start, lower);
        break;
      case Transform::to_upper:
        std::transform(start, text.end(), start, upper);
        break;
      case Transform::base_name:
        if (const size_t slash = text.rfind('/'); slash != text.npos && slash >= from) {
          from = slash + 1;
        }
        break;
      case Transform::length:
        return static_cast<int64_t>(text.size() - from);
    }
  }
  return std::string_view(text).substr(from);
}

}  // namespace

std::string add_transforms(FieldReference& field, std::span<const Transform> transforms) {
  for (const Transform transform : transforms) {
    const bool text = field.type == FieldType::text;
    // A field that never has a value has no type either.
    const bool fits = text || !field.gap().empty() ||
                      (transform == Transform::length && field.type == FieldType::list);
    if (!fits) {
      return fmt::format("'{}' is a {} and '{}' does not take it; a text expected", field.text,
                         to_string(field.type), to_string(transform));
    }
    if (transform == Transform::length) {
      field.counts = field.type == FieldType::list;
      if (field.counts) field.values = Values::one;
      field.type = FieldType::number;
    }
    field.text = fmt::format("{}({})", to_string(transform), field.text);
    field.transforms.push_back(transform);
  }
  return {};
}

void apply_transforms(std::span<const Transform> transforms, bool counts, FieldResult& result) {
  if (result.values.empty()) return;
  if (counts) {
    const auto count = static_cast<int64_t>(result.values.size());
    result.values.clear();
    result.add(count);
    return;
  }
  size_t bytes = 0;
  for (const FieldValue& value : result.values) {
    if (const auto* text = std::get_if<std::string_view>(&value)) bytes += text->size();
  }
  // The values are views into it: it must not move while they are made.
  result.transformed.clear();
  result.transformed.reserve(bytes);
  for (FieldValue& value : result.values) {
    if (const auto* text = std::get_if<std::string_view>(&value)) {
      value = transformed(transforms, *text, result.transformed);
    }
  }
}

}  // namespace picket::rule
