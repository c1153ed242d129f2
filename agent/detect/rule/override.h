// `override`: which keys of a later definition go on with, and which stand in place of, those of an
// earlier one. Pure but for the report. Errors: added to the report with file, line and column;
// then there is no answer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

struct OverrideKey {
  std::string_view name;
  bool appends = false, replaces = true;
};

struct Override {
  std::string key;
  bool append = false;
};

// `keys`: those that can be changed; each that the item has must be named under `override`.
std::optional<std::vector<Override>> read_override(YamlItem& item,
                                                   std::span<const OverrideKey> keys);

// Of a list or macro, which have one such key: whether it goes on with the earlier one, by
// `override` or by `append: true`.
std::optional<bool> appends(YamlItem& item, std::string_view key);

}  // namespace picket::rule
