#include "agent/detect/rule/text_match.h"

#include <algorithm>
#include <utility>

namespace picket::rule {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A bracket expression at pattern[0] == '['. Answers whether it takes `c`, and how long it is;
// length 0: it is not closed, so the bracket stands for itself.
struct Bracket {
  bool taken = false;
  size_t length = 0;
};
Bracket match_bracket(std::string_view pattern, char c) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool inside = false;
  const auto byte = [](char value) { return static_cast<unsigned char>(value); };
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) return {inside != negated, i + 1};
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    const char from = pattern[i];
    char to = from;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      to = pattern[i + 2];
      i += 2;
    }
    if (byte(from) <= byte(c) && byte(c) <= byte(to)) inside = true;
  }
  return {};
}

// One pattern element that is not a star against one character: how much of the pattern it used; 0:
// no match.
size_t match_one(std::string_view pattern, char c) {
  switch (pattern[0]) {
    case '?':
      return 1;
    case '[': {
      const Bracket bracket = match_bracket(pattern, c);
      if (bracket.length > 0) return bracket.taken ? bracket.length : 0;
      return c == '[' ? 1 : 0;
    }
    case '\\':
      if (pattern.size() > 1) return pattern[1] == c ? 2 : 0;
      return c == '\\' ? 1 : 0;
    default:
      return pattern[0] == c ? 1 : 0;
  }
}

// `fold` is done to each character of the text before it is compared.
template <class Fold>
bool matches(std::string_view pattern, std::string_view text, Fold fold) {
  size_t p = 0, t = 0;
  // Where to go on when the rest does not match: behind the last star, one character of text later.
  // An earlier star never needs to be tried again, so the time is bounded by the product of the
  // lengths.
  size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    const size_t used = p < pattern.size() ? match_one(pattern.substr(p), fold(text[t])) : 0;
    if (used > 0) {
      p += used;
      ++t;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string_view next_component(std::string_view& path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const size_t end = std::min(path.size(), path.find('/'));
  const std::string_view component = path.substr(0, end);
  path.remove_prefix(end);
  return component;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  return matches(pattern, text, [](char c) { return c; });
}

bool glob_match_ignoring_case(std::string_view lower_case_pattern, std::string_view text) {
  return matches(lower_case_pattern, text, lower);
}

bool has_open_bracket(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      const size_t length = match_bracket(pattern.substr(i), 0).length;
      if (length == 0) return true;
      i += length - 1;
    }
  }
  return false;
}

bool contains_ignoring_case(std::string_view text, std::string_view lower_case_part) {
  if (lower_case_part.empty()) return true;
  return std::search(text.begin(), text.end(), lower_case_part.begin(), lower_case_part.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

PrefixList::PrefixList(std::vector<std::string> prefixes) {
  std::ranges::sort(prefixes);
  for (std::string& prefix : prefixes) {
    if (!prefixes_.empty() && prefix.starts_with(prefixes_.back())) continue;
    prefixes_.push_back(std::move(prefix));
  }
}

bool PrefixList::matches(std::string_view text) const {
  // The greatest prefix that is not greater than the text is the only candidate.
  const auto above = std::upper_bound(prefixes_.begin(), prefixes_.end(), text,
                                      [](std::string_view a, std::string_view b) { return a < b; });
  return above != prefixes_.begin() && text.starts_with(*std::prev(above));
}

PathPrefixes::PathPrefixes(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Path parsed;
    std::string_view rest = path;
    for (std::string_view component = next_component(rest); !component.empty();
         component = next_component(rest)) {
      parsed.components.emplace_back(component);
    }
    paths_.push_back(std::move(parsed));
  }
}

bool PathPrefixes::below(const Path& prefix, std::string_view path) {
  for (const std::string& wanted : prefix.components) {
    const std::string_view component = next_component(path);
    if (component.empty() || !glob_match(wanted, component)) return false;
  }
  return true;
}

bool PathPrefixes::matches(std::string_view path) const {
  return std::ranges::any_of(paths_, [&](const Path& prefix) { return below(prefix, path); });
}

}  // namespace picket::rule
