// The seed of what the chaos tests do at random; PICKET_CHAOS_SEED in the environment replaces it.
#pragma once

#include <cstdlib>
#include <string>

namespace picket::test {

inline unsigned chaos_seed() {
  const char* other = std::getenv("PICKET_CHAOS_SEED");
  return other != nullptr ? static_cast<unsigned>(std::stoul(other)) : 20261125;
}

}  // namespace picket::test
