#include "agent/detect/rule/nearest_name.h"

#include <algorithm>
#include <vector>

namespace picket::rule {
namespace {

constexpr size_t kNear = 3;
constexpr size_t kLongest = 64;  // a longer name is no slip of the keyboard

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

// Of a short name most others are near: half of it must stand.
NearestName::NearestName(std::string_view misspelt)
    : misspelt_(misspelt), distance_(std::min(kNear, misspelt.size() / 2) + 1) {}

void NearestName::consider(std::string_view name) {
  const size_t longer = std::max(misspelt_.size(), name.size());
  const size_t apart = longer - std::min(misspelt_.size(), name.size());
  if (apart >= distance_ || longer > kLongest) return;
  const size_t distance = edit_distance(misspelt_, name);
  if (distance >= distance_) return;
  distance_ = distance;
  nearest_ = name;
}

}  // namespace picket::rule
