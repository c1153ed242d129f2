// What reading rules may cost: hostile or broken files end with an error long before they fill the
// memory or take a second. Numbers, far above what rule sets need.
#pragma once

#include <cstddef>

namespace picket::rule {

// Of one file, with every alias of YAML written out.
constexpr size_t kFileBytes = 4 << 20;
constexpr size_t kFileNodes = 100'000;

// Of one load.
constexpr size_t kRulesMax = 10'000;
constexpr size_t kErrorsMax = 100;  // what is wrong behind them is not looked for
constexpr size_t kNotesMax = 1000;
constexpr size_t kListBytes = 16 << 20;  // values of lists, each time they are used
constexpr size_t kRegexInstructions = 200'000;
constexpr size_t kOneOfValues = 8192;      // of all conditions with `oneof`
constexpr size_t kWaiverSteps = 64 << 20;  // bytes of a waiver's pattern x of a rule's name

constexpr size_t kExceptionsMax = 1024;  // of one rule
constexpr size_t kPatternBytes = 1024;   // of a regular expression or a glob
constexpr size_t kGapsNamed = 64;        // fields without a source, of a rule or macro

}  // namespace picket::rule
