// What rules cost: the engine alone on recorded work with more and more rules, the same ten rules
// in C++, and the loading of a thousand. One thread. Errors: what cannot be measured is said by the
// benchmark itself.
#pragma once

#include <string>

namespace picket::bench {

void register_rule_cost(const std::string& recording);

}  // namespace picket::bench
