// What must be true of an event before a rule can match it, where an index can find that out: the
// comparisons of which one at least has to hold. Pure; used at load. Nothing fails: a condition of
// which nothing is known needs nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/detect/rule/program.h"

namespace picket::rule {

// What a value has to be, begin with or contain for the comparison to hold; views into the matcher.
// An address is the text of its bytes.
struct Keys {
  std::vector<std::string_view> texts, prefixes;
  std::vector<int64_t> numbers;
  std::string_view part, suffix;

  size_t size() const {
    const size_t ends = (part.empty() ? 0 : 1) + (suffix.empty() ? 0 : 1);
    return texts.size() + prefixes.size() + numbers.size() + ends;
  }
};

// None: no index can tell.
Keys keys_of(const Matcher& matcher);

using Need = std::vector<uint32_t>;  // indexes into Program::comparisons; empty: none is known

// Of each entry, chosen so that few entries are candidates of the same event and few fields have to
// be looked at.
std::vector<Need> needs_of(const Program& program, std::span<const Program::Entry> entries);

}  // namespace picket::rule
