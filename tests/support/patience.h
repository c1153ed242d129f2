// How much longer than usual a step of a test may take. PICKET_TEST_PATIENCE in the environment is
// a factor for every dead line of the tests: an emulated machine is five to ten times slower. Any
// thread. Nothing fails.
#pragma once

#include <chrono>
#include <cstdlib>

namespace picket::test {

inline int patience() {
  const char* factor = std::getenv("PICKET_TEST_PATIENCE");
  const int asked = factor != nullptr ? std::atoi(factor) : 1;
  return asked > 1 ? asked : 1;
}

}  // namespace picket::test
