// What an abbreviated name means, for the readers of every database: a whole id is meant as such,
// also when it begins others. Pure functions, any thread. Errors: InvalidArgument names two that
// were meant.
#pragma once

#include <string>
#include <vector>

#include "collector/store/store.h"

namespace picket {

// The smallest text above every text that begins with `prefix`, by its bytes.
std::string after_prefix(std::string prefix);

absl::Status ambiguous(std::string_view what, const std::string& asked, const std::string& first,
                       const std::string& second);

// Of what begins with `asked` or has that name.
void keep_named(const std::string& asked, std::vector<v1::NodeWorkspace>& found);
// Parts of the one session that begins with `asked`.
absl::Status keep_session(const std::string& asked, std::vector<v1::NodeAgentSession>& found);

}  // namespace picket
