// Reads a `waiver`: whose alerts of which rules are withheld until when, and who answers for it.
// Lives while its mapping is read, one thread. Errors: added to the report with file, line and
// column; then there is no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/scope_reader.h"
#include "agent/detect/rule/source_text.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

struct WaiverDefinition {
  SourceText name;
  std::vector<SourceText> rules;  // names or shell patterns
  SourceText condition;           // without file: none
  ScopeDefinition scope;
  WaiverInfo info;
};

std::optional<WaiverDefinition> read_waiver(YamlItem& item, LoadReport& report);

// "2026-12-31": until that day is over, UTC; "2026-12-31T18:00:00Z". nullopt: no such time.
std::optional<uint64_t> parse_end_ns(std::string_view text);

}  // namespace picket::rule
