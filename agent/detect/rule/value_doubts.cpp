#include "agent/detect/rule/value_doubts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <variant>

#include "agent/detect/rule/matcher.h"
#include "agent/detect/rule/text_match.h"

namespace picket::rule {
namespace {

constexpr auto kProtocols = std::to_array<std::string_view>({"tcp", "udp", "icmp", "raw"});

bool is_equality(Operator op) {
  return op == Operator::equal || op == Operator::not_equal || op == Operator::in ||
         op == Operator::intersects;
}

bool is_pattern(Operator op) {
  return op == Operator::glob || op == Operator::iglob || op == Operator::pmatch;
}

// Whatever stands around a field, the case of its letters is that of the last change.
bool has_other_case(const FieldReference& field, std::string_view value) {
  const auto last = std::find_if(
      field.transforms.rbegin(), field.transforms.rend(),
      [](Transform one) { return one == Transform::to_lower || one == Transform::to_upper; });
  if (last == field.transforms.rend()) return false;
  const char first = *last == Transform::to_lower ? 'A' : 'a';
  return std::ranges::any_of(value, [&](char c) { return c >= first && c <= first + 25; });
}

bool compares_letters(Operator op) {
  return is_equality(op) || op == Operator::starts_with || op == Operator::ends_with ||
         op == Operator::contains || op == Operator::glob || op == Operator::pmatch;
}

std::string doubt_about_text(const FieldReference& field, Operator op, std::string_view value) {
  if (is_pattern(op) && has_open_bracket(value)) {
    return fmt::format("a '[' of '{}' has no ']' and stands for itself", value);
  }
  if (compares_letters(op) && has_other_case(field, value)) {
    return fmt::format("'{}' never has the letters of '{}', which are of the other case",
                       field.text, value);
  }
  const bool protocol = field.text == "fd.l4proto" && is_equality(op);
  if (protocol && std::ranges::find(kProtocols, value) == kProtocols.end()) {
    return fmt::format("'{}' is never '{}'; it is one of: tcp udp icmp raw", field.text, value);
  }
  return {};
}

// An IPv4 address within IPv6 is told as what it is.
bool is_mapped(const Network& network) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return network.address.v6 && network.prefix >= 96 &&
         std::equal(kMapped.begin(), kMapped.end(), network.address.bytes.begin());
}

}  // namespace

std::string doubt_about(const FieldReference& field, Operator op, std::string_view value) {
  constexpr int64_t kPortMax = 65535;
  switch (field.type) {
    case FieldType::text:
    case FieldType::list:
      return doubt_about_text(field, op, value);
    case FieldType::number: {
      const int64_t number = number_of(field, value).value_or(0);
      if (!is_port(field) || !is_equality(op) || (number >= 0 && number <= kPortMax)) return {};
      return fmt::format("'{}' is never {}; a port is a number from 0 to {}", field.text, value,
                         kPortMax);
    }
    case FieldType::ip: {
      const auto network = parse_network(value, false);
      const auto* parsed = std::get_if<Network>(&network);
      if (parsed == nullptr || !is_mapped(*parsed)) return {};
      return fmt::format("'{}' is never in '{}'; IPv4 within IPv6 is told as IPv4", field.text,
                         value);
    }
    case FieldType::boolean:
      break;
  }
  return {};
}

}  // namespace picket::rule
