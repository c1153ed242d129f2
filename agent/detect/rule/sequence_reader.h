// Reads the `sequence` of a rule: steps in order, within a time, by lineage or by workspace. Lives
// while its mapping is read, one thread. Errors: added to the report with file, line and column;
// then there is no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/detect/rule/source_text.h"
#include "agent/detect/rule/yaml_item.h"
#include "agent/detect/sequence/sequence.h"

namespace picket::rule {

constexpr size_t kSequenceSteps = 16;
constexpr uint64_t kSequenceCountMax = 4096;
constexpr uint64_t kSequenceSumMax = 1ULL << 53;
constexpr uint64_t kSequenceWindowNs = 24ULL * 3600 * 1'000'000'000;

struct StepDefinition {
  SourceText name;
  SourceText condition;
  bool absent = false;  // it must not happen between its neighbours
  uint64_t count = 1;   // how often it must happen, or how many values of `distinct` it must show
  std::optional<SourceText> distinct;  // a field
  std::optional<SourceText> sum;       // a field: `count` is what its values must come to
};

struct SequenceDefinition {
  SequenceBy by = SequenceBy::lineage;
  uint64_t window_ns = 0;
  std::vector<StepDefinition> steps;
};

// `value`: of the key `sequence`.
std::optional<SequenceDefinition> read_sequence(const YAML::Node& value,
                                                const std::shared_ptr<const SourceFile>& file,
                                                LoadReport& report);

// "4000", "512KiB", "100MiB", "2GiB"; nullopt: not of that form, less than 2, or more than 2^53.
std::optional<uint64_t> parse_amount(std::string_view text);

// "90s", "5m", "1h"; nullopt: not of that form, nothing, or more than a day.
std::optional<uint64_t> parse_window_ns(std::string_view text);

}  // namespace picket::rule
