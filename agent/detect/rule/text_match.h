// Text comparisons of the rule language that the standard library does not have. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace picket::rule {

// A shell pattern over the whole text: * ? [a-z] [!a-z] and \ before a literal character; * also
// matches "/".
bool glob_match(std::string_view pattern, std::string_view text);
// The pattern in lower case.
bool glob_match_ignoring_case(std::string_view lower_case_pattern, std::string_view text);

// Whether a '[' of the pattern opens no bracket expression, for want of a ']'.
bool has_open_bracket(std::string_view pattern);
bool contains_ignoring_case(std::string_view text, std::string_view lower_case_part);

// The lengths of a set of texts: most texts are in no set because none of it is as long, and need
// not be looked up for that.
class Lengths {
 public:
  void add(size_t length) { bits_ |= uint64_t{1} << length % 64; }
  bool may_have(size_t length) const { return (bits_ >> length % 64 & 1) != 0; }

 private:
  uint64_t bits_ = 0;
};

// Prefixes of which none starts with another, sorted: a text is looked up with one binary search.
class PrefixList {
 public:
  explicit PrefixList(std::vector<std::string> prefixes);
  bool matches(std::string_view text) const;
  const std::vector<std::string>& prefixes() const { return prefixes_; }

 private:
  std::vector<std::string> prefixes_;
};

// Paths that lie at or below one of a set, component by component; a component of the set may be a
// pattern.
class PathPrefixes {
 public:
  explicit PathPrefixes(const std::vector<std::string>& paths);
  bool matches(std::string_view path) const;

 private:
  struct Path {
    std::vector<std::string> components;
  };
  static bool below(const Path& prefix, std::string_view path);
  std::vector<Path> paths_;
};

}  // namespace picket::rule
