#include "tests/bench/harness/stats.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace picket::bench {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(position));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace

Spread spread_of(std::span<const double> sample) {
  if (sample.empty()) return {};
  std::vector<double> sorted(sample.begin(), sample.end());
  std::ranges::sort(sorted);
  return {.minimum = sorted.front(),
          .p10 = quantile(sorted, 0.10),
          .median = quantile(sorted, 0.50),
          .p90 = quantile(sorted, 0.90),
          .p99 = quantile(sorted, 0.99),
          .maximum = sorted.back(),
          .count = sorted.size()};
}

std::vector<double> ratios(std::span<const double> with, std::span<const double> without) {
  std::vector<double> out;
  for (size_t i = 0; i < std::min(with.size(), without.size()); ++i) {
    out.push_back(with[i] / without[i]);
  }
  return out;
}

std::vector<double> differences(std::span<const double> with, std::span<const double> without) {
  std::vector<double> out;
  for (size_t i = 0; i < std::min(with.size(), without.size()); ++i) {
    out.push_back(with[i] - without[i]);
  }
  return out;
}

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

std::string today() {
  const time_t now = time(nullptr);
  tm utc{};
  gmtime_r(&now, &utc);
  char text[16];
  strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

}  // namespace picket::bench
