// Alerts of one attack as one line: what `picketctl alerts incidents` prints, and the story that an
// alert is shown with. Plain values, main's thread. Nothing fails; an alert without an incident
// (of the agent itself, or of an older agent) is in none.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "picket/v1/alert.pb.h"

namespace picket {

struct IncidentSummary {
  std::string id, node, workspace;
  v1::Priority priority = v1::PRIORITY_DEBUG;  // the most severe
  google::protobuf::Timestamp first, last;
  uint64_t alerts = 0, count = 0;          // count: with the repeats merged into them
  std::vector<std::string> stages, rules;  // each once, as they came
};

class Incidents {
 public:
  void add(const v1::Alert& alert);
  const std::vector<IncidentSummary>& all() const { return all_; }  // in order of their first alert

 private:
  std::vector<IncidentSummary> all_;
};

std::string incident_text(const IncidentSummary& incident);
nlohmann::ordered_json incident_object(const IncidentSummary& incident);
// The alerts of one incident in order; the one that is `shown` is marked. Empty: it is alone.
std::string story_text(std::span<const v1::Alert> alerts, const std::string& shown);

}  // namespace picket
