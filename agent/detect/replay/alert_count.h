// Alerts by rule: findings that were merged are one. One thread; nothing fails.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "agent/detect/detector.h"

namespace picket {

class AlertCount final : public FindingSink {
 public:
  void on_finding(Finding finding) override {
    alerts_[finding.rule].insert(std::move(finding.merge_id));
  }
  std::map<std::string, uint64_t> all() const {
    std::map<std::string, uint64_t> counts;
    for (const auto& [rule, ids] : alerts_) counts[rule] = ids.size();
    return counts;
  }

 private:
  std::map<std::string, std::set<std::string>> alerts_;
};

}  // namespace picket
