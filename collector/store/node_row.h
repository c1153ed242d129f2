// What a node says of itself when it comes, as the row of every database has it. Pure functions,
// any thread. Errors: DataLoss, what was kept is damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "collector/store/store.h"

namespace picket {

// A v1::Node with nothing else.
std::string kept_labels(const v1::Hello& hello);
absl::Status add_labels(std::string_view kept, v1::Node& node);

absl::StatusOr<Greeting> greeting(uint64_t last_sequence, std::string_view kept_rules);

}  // namespace picket
