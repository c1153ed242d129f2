// Medians and their spread over the repetitions of a benchmark. Pure functions of a sample; any
// thread. An empty sample gives zeros: a benchmark without repetitions prints nothing that looks
// measured.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace picket::bench {

struct Spread {
  double minimum = 0, p10 = 0, median = 0, p90 = 0, p99 = 0, maximum = 0;
  size_t count = 0;
};

Spread spread_of(std::span<const double> sample);

// One value of a ratio per pair: what the noise of a shared machine does to both halves cancels.
std::vector<double> ratios(std::span<const double> with, std::span<const double> without);
std::vector<double> differences(std::span<const double> with, std::span<const double> without);

std::string kernel_release();
std::string today();  // UTC, YYYY-MM-DD

}  // namespace picket::bench
