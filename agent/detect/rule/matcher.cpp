#include "agent/detect/rule/matcher.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/detect/rule/field_match.h"
#include "agent/detect/rule/load_limits.h"

namespace picket::rule {
namespace {

std::optional<int64_t> parse_number(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const int base = digits.starts_with("0x") || digits.starts_with("0X") ? 16 : 10;
  if (base == 16) digits.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (value > limit) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - value : value);
}

// Ports that rules call by name. A table of our own: what a rule means must not depend on the
// machine that loads it.
constexpr auto kPorts = std::to_array<std::pair<std::string_view, int64_t>>({
    {"amqp", 5672},
    {"amqps", 5671},
    {"bootpc", 68},
    {"bootps", 67},
    {"domain", 53},
    {"domain-s", 853},
    {"finger", 79},
    {"ftp", 21},
    {"ftp-data", 20},
    {"git", 9418},
    {"gopher", 70},
    {"http", 80},
    {"http-alt", 8080},
    {"https", 443},
    {"imap", 143},
    {"imap2", 143},
    {"imaps", 993},
    {"ircd", 6667},
    {"ircs-u", 6697},
    {"kerberos", 88},
    {"ldap", 389},
    {"ldaps", 636},
    {"microsoft-ds", 445},
    {"ms-sql-s", 1433},
    {"ms-wbt-server", 3389},
    {"mysql", 3306},
    {"netbios-ssn", 139},
    {"nfs", 2049},
    {"ntp", 123},
    {"openvpn", 1194},
    {"pop3", 110},
    {"pop3s", 995},
    {"postgresql", 5432},
    {"redis", 6379},
    {"rsync", 873},
    {"smtp", 25},
    {"snmp", 161},
    {"snmp-trap", 162},
    {"socks", 1080},
    {"ssh", 22},
    {"submission", 587},
    {"submissions", 465},
    {"sunrpc", 111},
    {"svn", 3690},
    {"syslog", 514},
    {"telnet", 23},
    {"tftp", 69},
    {"www", 80},
    {"x11", 6000},
});

std::string check_number(const FieldReference& field, std::string_view value) {
  if (number_of(field, value).has_value()) return {};
  return fmt::format("'{}' is a number and cannot be '{}'; a whole number{} expected", field.text,
                     value, is_port(field) ? " or the name of a port such as https" : "");
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

constexpr int64_t kRegexBytes = 1 << 20;  // of one, once compiled and while it is matched

re2::RE2::Options regex_options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kRegexBytes);
  return options;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool is_equality(Operator op) {
  return op == Operator::equal || op == Operator::not_equal || op == Operator::in ||
         op == Operator::intersects || op == Operator::exists;
}

// "cafebabe": pairs of hexadecimal digits.
std::optional<std::string> parse_bytes(std::string_view text) {
  std::string bytes;
  if (text.empty() || text.size() % 2 != 0) return std::nullopt;
  for (size_t i = 0; i < text.size(); i += 2) {
    const char* const end = text.data() + i + 2;
    uint8_t byte = 0;
    const auto [stop, error] = std::from_chars(text.data() + i, end, byte, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

bool takes_bytes(Operator op) { return op == Operator::bcontains || op == Operator::bstarts_with; }

std::string words_of(const Field& field) {
  std::string words;
  for (size_t i = 0; !field.word(i).empty(); ++i) {
    if (i > 0) words += ' ';
    words += field.word(i);
  }
  return words;
}

std::string check_text(const FieldReference& field, Operator op, std::string_view value) {
  const bool pattern = op == Operator::glob || op == Operator::iglob || op == Operator::pmatch;
  if (pattern && value.size() > kPatternBytes) {
    return fmt::format("a pattern longer than {} bytes", kPatternBytes);
  }
  if (takes_bytes(op)) {
    if (parse_bytes(value).has_value()) return {};
    return fmt::format("'{}' takes bytes in hexadecimal digits such as cafebabe, not '{}'",
                       to_string(op), value);
  }
  const bool words = field.field != nullptr && field.field->word != nullptr;
  if (!words || !is_equality(op) || !field.transforms.empty()) return {};
  for (size_t i = 0; !field.field->word(i).empty(); ++i) {
    if (field.field->word(i) == value) return {};
  }
  return fmt::format("'{}' is never '{}'; it is one of: {}", field.text, value,
                     words_of(*field.field));
}

}  // namespace

bool is_port(const FieldReference& field) {
  constexpr auto kFields =
      std::to_array<std::string_view>({"fd.port", "fd.rport", "fd.lport", "fd.sport", "fd.cport"});
  return std::ranges::find(kFields, field.text) != kFields.end();
}

std::optional<int64_t> number_of(const FieldReference& field, std::string_view value) {
  const auto named = std::ranges::find(kPorts, value, &std::pair<std::string_view, int64_t>::first);
  if (is_port(field) && named != kPorts.end()) return named->second;
  return parse_number(value);
}

bool Network::contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  const int whole = prefix / 8, rest = prefix % 8;
  if (std::memcmp(other.bytes.data(), address.bytes.data(), static_cast<size_t>(whole)) != 0) {
    return false;
  }
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((other.bytes[static_cast<size_t>(whole)] ^ address.bytes[static_cast<size_t>(whole)]) &
          mask) == 0;
}

std::variant<Network, std::string> parse_network(std::string_view text, bool needs_prefix) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Network network;
  if (inet_pton(AF_INET, address.c_str(), network.address.bytes.data()) != 1) {
    network.address.v6 = true;
    if (inet_pton(AF_INET6, address.c_str(), network.address.bytes.data()) != 1) {
      return fmt::format("'{}' is not an IP address", text);
    }
  }
  const int bits = network.address.v6 ? 128 : 32;
  network.prefix = bits;
  if (slash == std::string_view::npos) {
    if (!needs_prefix) return network;
    return fmt::format("'{}' is not a network such as 10.0.0.0/8", text);
  }
  const auto prefix = parse_number(text.substr(slash + 1));
  if (!prefix.has_value() || *prefix < 0 || *prefix > bits) {
    return fmt::format("'{}' has no prefix length from 0 to {} behind the slash", text, bits);
  }
  network.prefix = static_cast<int>(*prefix);
  return network;
}

std::string check_operator(const FieldReference& field, Operator op) {
  if (!field.gap().empty()) return {};
  bool fits = false;
  std::string_view takes;
  switch (field.type) {
    case FieldType::text:
    case FieldType::list:
      fits = !is_ordering(op);
      takes =
          "= != in intersects startswith endswith contains icontains bcontains bstartswith glob "
          "iglob pmatch regex exists";
      break;
    case FieldType::number:
      fits = is_equality(op) || is_ordering(op);
      takes = "= != < <= > >= in intersects exists";
      break;
    case FieldType::boolean:
      fits = op == Operator::equal || op == Operator::not_equal || op == Operator::exists;
      takes = "= != exists";
      break;
    case FieldType::ip:
      fits = is_equality(op);
      takes = "= != in intersects exists";
      break;
  }
  if (fits) return {};
  return fmt::format("'{}' is a {} and cannot be compared with '{}'; it takes {}", field.text,
                     to_string(field.type), to_string(op), takes);
}

std::string check_regex(std::string_view value, size_t left, size_t& used) {
  // What one costs that is no regular expression, and one that outgrows what it may have.
  constexpr size_t kFailed = 2000, kOutgrown = 20'000;
  if (value.size() > kPatternBytes) {
    return fmt::format("a regular expression longer than {} bytes", kPatternBytes);
  }
  static const std::string kTooMany = fmt::format(
      "the regular expressions of these rules compile to more than {} instructions, those that "
      "fail counted too",
      kRegexInstructions);
  if (left < kFailed) return kTooMany;
  const re2::RE2 regex(re2::StringPiece(value.data(), value.size()), regex_options());
  const bool outgrown = regex.error_code() == re2::RE2::ErrorPatternTooLarge;
  const size_t cost = regex.ok() ? static_cast<size_t>(regex.ProgramSize())
                      : outgrown ? kOutgrown
                                 : kFailed;
  used += std::min(cost, left);
  if (!regex.ok()) return fmt::format("not a regular expression: {}", regex.error());
  return cost <= left ? std::string() : kTooMany;
}

std::string check_value(const FieldReference& field, Operator op, std::string_view value) {
  if (!field.gap().empty()) return {};
  switch (field.type) {
    case FieldType::text:
    case FieldType::list:
      return check_text(field, op, value);
    case FieldType::number:
      return check_number(field, value);
    case FieldType::boolean:
      if (parse_boolean(value).has_value()) return {};
      return fmt::format("'{}' is a boolean and cannot be '{}'; true or false expected", field.text,
                         value);
    case FieldType::ip: {
      const bool subnet = field.field != nullptr && field.field->subnet;
      const auto network = parse_network(value, subnet);
      if (const auto* wrong = std::get_if<std::string>(&network)) {
        return fmt::format("{}; '{}' takes {}", *wrong, field.text,
                           subnet ? "networks" : "addresses and networks");
      }
      return {};
    }
  }
  return {};
}

Matcher make_matcher(const FieldReference& field, Operator op, std::vector<std::string> values) {
  if (op == Operator::exists) return {op, field.values, std::monostate{}};
  switch (field.type) {
    case FieldType::boolean:
      return {op, field.values, parse_boolean(values.front()).value_or(false)};
    case FieldType::number: {
      std::vector<int64_t> numbers;
      for (const std::string& value : values)
        numbers.push_back(number_of(field, value).value_or(0));
      std::ranges::sort(numbers);
      return {op, field.values, std::move(numbers)};
    }
    case FieldType::ip: {
      std::vector<Network> networks;
      for (const std::string& value : values) {
        networks.push_back(std::get<Network>(parse_network(value, false)));
      }
      return {op, field.values, std::move(networks)};
    }
    case FieldType::text:
    case FieldType::list:
      break;
  }
  switch (op) {
    case Operator::in:
    case Operator::intersects:
      return {op, field.values, Matcher::TextSet(values.begin(), values.end())};
    case Operator::starts_with:
      return {op, field.values, PrefixList(std::move(values))};
    case Operator::pmatch:
      return {op, field.values, PathPrefixes(values)};
    case Operator::icontains:
    case Operator::iglob:
      return {op, field.values, lower_case(values.front())};
    case Operator::bcontains:
      return {Operator::contains, field.values, parse_bytes(values.front()).value_or("")};
    case Operator::bstarts_with:
      return {Operator::bstarts_with, field.values, parse_bytes(values.front()).value_or("")};
    case Operator::regex:
      return {op, field.values,
              std::shared_ptr<const re2::RE2>(
                  std::make_shared<re2::RE2>(values.front(), regex_options()))};
    default:
      return {op, field.values, std::move(values.front())};
  }
}

Matcher make_field_matcher(const FieldReference& field, Operator op) {
  return {op, field.values, std::monostate{}};
}

bool Matcher::matches(const FieldResult& left, const FieldResult& right) const {
  return match_fields(left, values_, op_, right);
}

bool Matcher::matches(const FieldResult& left) const {
  if (left.values.empty()) return false;
  if (op_ == Operator::exists) return true;
  const auto test_one = [this](const FieldValue& value) { return test(value); };
  const bool wants_all = (op_ == Operator::not_equal && values_ != Values::any) ||
                         (op_ == Operator::in && values_ == Values::list);
  return wants_all ? std::ranges::all_of(left.values, test_one)
                   : std::ranges::any_of(left.values, test_one);
}

std::vector<std::string_view> Matcher::only_texts() const {
  std::vector<std::string_view> texts;
  if (const auto* text = std::get_if<std::string>(&right_); text && op_ == Operator::equal)
    texts.push_back(*text);
  const auto* set = std::get_if<TextSet>(&right_);
  if (set != nullptr && (op_ == Operator::in || op_ == Operator::intersects))
    texts.assign(set->begin(), set->end());
  return texts;
}

bool Matcher::test(const FieldValue& value) const {
  if (const auto* text = std::get_if<std::string_view>(&value)) return test_text(*text);
  if (const auto* number = std::get_if<int64_t>(&value)) return test_number(*number);
  if (const auto* truth = std::get_if<bool>(&value)) {
    const auto* right = std::get_if<bool>(&right_);
    return right != nullptr && (*truth == *right) == (op_ == Operator::equal);
  }
  const auto* address = std::get_if<IpAddress>(&value);
  const auto* networks = std::get_if<std::vector<Network>>(&right_);
  if (address == nullptr || networks == nullptr) return false;
  const bool inside = std::ranges::any_of(
      *networks, [&](const Network& network) { return network.contains(*address); });
  return inside == (op_ != Operator::not_equal);
}

bool Matcher::test_text(std::string_view value) const {
  if (const auto* right = std::get_if<std::string>(&right_)) {
    switch (op_) {
      case Operator::equal:
        return value == *right;
      case Operator::not_equal:
        return value != *right;
      case Operator::ends_with:
        return value.ends_with(*right);
      case Operator::contains:
        return value.find(*right) != std::string_view::npos;
      case Operator::icontains:
        return contains_ignoring_case(value, *right);
      case Operator::glob:
        return glob_match(*right, value);
      case Operator::iglob:
        return glob_match_ignoring_case(*right, value);
      case Operator::bstarts_with:
        return value.starts_with(*right);
      default:
        return false;
    }
  }
  if (const auto* set = std::get_if<TextSet>(&right_)) {
    return lengths_.may_have(value.size()) &&
           set->contains(absl::string_view(value.data(), value.size()));
  }
  if (const auto* prefixes = std::get_if<PrefixList>(&right_)) return prefixes->matches(value);
  if (const auto* paths = std::get_if<PathPrefixes>(&right_)) return paths->matches(value);
  if (const auto* regex = std::get_if<std::shared_ptr<const re2::RE2>>(&right_)) {
    return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), **regex);
  }
  return false;
}

bool Matcher::test_number(int64_t value) const {
  const auto* right = std::get_if<std::vector<int64_t>>(&right_);
  if (right == nullptr || right->empty()) return false;
  switch (op_) {
    case Operator::equal:
      return value == right->front();
    case Operator::not_equal:
      return value != right->front();
    case Operator::less:
      return value < right->front();
    case Operator::less_equal:
      return value <= right->front();
    case Operator::greater:
      return value > right->front();
    case Operator::greater_equal:
      return value >= right->front();
    case Operator::in:
    case Operator::intersects:
      return std::ranges::binary_search(*right, value);
    default:
      return false;
  }
}

}  // namespace picket::rule
