// One comparison of a rule, ready to run: an operator with its right-hand side in the form that is
// fastest to test. Immutable once made; every thread may test. Errors: make_matcher() answers with
// a sentence about the value or operator that does not fit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/field.h"
#include "agent/detect/rule/text_match.h"

namespace re2 {
class RE2;
}

namespace picket::rule {

struct Network {
  IpAddress address;
  int prefix = 0;
  bool contains(const IpAddress& other) const;
  friend bool operator==(const Network&, const Network&) = default;
};
std::variant<Network, std::string> parse_network(std::string_view text, bool needs_prefix);

class Matcher {
 public:
  using TextSet = absl::flat_hash_set<std::string>;
  using Right =
      std::variant<std::monostate, bool, std::string, std::vector<int64_t>, TextSet,
                   std::vector<Network>, PrefixList, PathPrefixes, std::shared_ptr<const re2::RE2>>;

  Matcher(Operator op, Values values, Right right)
      : op_(op), values_(values), right_(std::move(right)) {
    if (const auto* set = std::get_if<TextSet>(&right_))
      for (const std::string& text : *set) lengths_.add(text.size());
  }

  // False without values, whatever the operator.
  bool matches(const FieldResult& left) const;
  // Of a comparison with a field, which has no right-hand side of its own.
  bool matches(const FieldResult& left, const FieldResult& right) const;
  // Where it asks whether a text is one of a few, those; of everything else nothing.
  std::vector<std::string_view> only_texts() const;

  Operator op() const { return op_; }
  const Right& right() const { return right_; }

 private:
  bool test(const FieldValue& value) const;
  bool test_text(std::string_view value) const;
  bool test_number(int64_t value) const;

  Operator op_;
  Values values_;
  Right right_;
  Lengths lengths_;  // of a set of texts
};

// Whether a field takes an operator at all; otherwise a sentence.
std::string check_operator(const FieldReference& field, Operator op);
bool is_port(const FieldReference& field);
// A number as rules write it, or the name of a port where the field is one.
std::optional<int64_t> number_of(const FieldReference& field, std::string_view value);
// Whether `value` can stand at the right-hand side; otherwise a sentence.
std::string check_value(const FieldReference& field, Operator op, std::string_view value);
// The same for a regular expression, which costs instructions: more than `left` is one.
std::string check_regex(std::string_view value, size_t left, size_t& used);
// Of values that were checked.
Matcher make_matcher(const FieldReference& field, Operator op, std::vector<std::string> values);
Matcher make_field_matcher(const FieldReference& field, Operator op);

}  // namespace picket::rule
