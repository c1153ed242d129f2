// Checks a finding against what OCSF 1.4.0 publishes of the objects that Picket uses: their
// attributes, which are required, their types and numbers (tests/golden/outputs/ocsf-1.4.0.json).
// Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace picket::test {

// Each with its place; none: it is a Detection Finding.
std::vector<std::string> ocsf_problems(const nlohmann::json& finding);

}  // namespace picket::test
