#include "agent/detect/rule/operand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace picket::rule {
namespace {

constexpr size_t kTransformsMax = 16;

constexpr auto kTransforms = std::to_array<std::pair<std::string_view, Transform>>({
    {"tolower", Transform::to_lower},
    {"toupper", Transform::to_upper},
    {"basename", Transform::base_name},
    {"len", Transform::length},
});
constexpr auto kRefused = std::to_array<std::string_view>({"b64", "join", "concat", "getopt"});
constexpr std::string_view kValue = "val";

std::optional<Transform> take_transform(Lexer& lexer) {
  for (const auto& [name, transform] : kTransforms)
    if (lexer.take_call(name)) return transform;
  return std::nullopt;
}

std::string_view take_refused(Lexer& lexer) {
  for (const std::string_view name : kRefused)
    if (lexer.take_call(name)) return name;
  return {};
}

// What stands in the brackets of a transformer that is refused: values, fields, lists of them.
std::optional<SyntaxError> skip_arguments(Lexer& lexer) {
  for (size_t depth = 1; depth > 0;) {
    if (lexer.at_end()) return SyntaxError{lexer.offset(), "')' expected, not the end"};
    if (lexer.take('(')) {
      ++depth;
    } else if (lexer.take(')')) {
      --depth;
    } else if (!lexer.take(',') && !lexer.take('=')) {
      const auto value = lexer.take_value();
      if (const auto* error = std::get_if<SyntaxError>(&value)) return *error;
    }
  }
  return std::nullopt;
}

std::variant<Operand, SyntaxError> refuse(Lexer& lexer, std::string_view name, size_t offset) {
  if (auto error = skip_arguments(lexer)) return *std::move(error);
  return SyntaxError{offset, fmt::format("the transformer '{}' is not supported; one of tolower, "
                                         "toupper, basename, len expected",
                                         name)};
}

std::optional<SyntaxError> take_closing(Lexer& lexer, size_t count) {
  for (; count > 0; --count) {
    if (lexer.take(')')) continue;
    return SyntaxError{lexer.offset(),
                       fmt::format("')' expected behind the field, not {}", lexer.rest())};
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Transform transform) {
  return std::ranges::find(kTransforms, transform, &decltype(kTransforms)::value_type::second)
      ->first;
}

bool at_transformer(Lexer lexer) {
  return lexer.take_call(kValue) || take_transform(lexer).has_value() ||
         !take_refused(lexer).empty();
}

std::variant<Operand, SyntaxError> take_operand(Lexer& lexer) {
  Operand operand;
  while (true) {
    lexer.peek();
    const size_t start = lexer.offset();
    if (const std::string_view name = take_refused(lexer); !name.empty()) {
      return refuse(lexer, name, start);
    }
    const auto transform = take_transform(lexer);
    if (!transform.has_value()) break;
    if (operand.transforms.size() == kTransformsMax) {
      return SyntaxError{start, fmt::format("more than {} transformers", kTransformsMax)};
    }
    operand.transforms.push_back(*transform);
  }
  std::ranges::reverse(operand.transforms);
  operand.offset = lexer.offset();
  operand.field = lexer.take_name();
  if (operand.field.empty()) {
    return SyntaxError{operand.offset, fmt::format("a field expected, not {}", lexer.rest())};
  }
  if (lexer.take('[')) {
    auto argument = lexer.take_argument();
    if (auto* error = std::get_if<SyntaxError>(&argument)) return std::move(*error);
    operand.argument = std::get<std::string>(std::move(argument));
  }
  if (auto error = take_closing(lexer, operand.transforms.size())) return *std::move(error);
  return operand;
}

std::variant<Operand, SyntaxError> take_right_operand(Lexer& lexer) {
  const bool value = lexer.take_call(kValue);
  auto operand = take_operand(lexer);
  if (!value || std::holds_alternative<SyntaxError>(operand)) return operand;
  if (auto error = take_closing(lexer, 1)) return *std::move(error);
  return operand;
}

}  // namespace picket::rule
