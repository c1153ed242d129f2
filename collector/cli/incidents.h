// How picketctl shows incidents: as a table, each as a whole, as JSON, as the story that an alert
// belongs to; and the waiver that a false alarm asks for. Pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "collector/cli/policy_new_waiver.h"
#include "picket/v1/operator.pb.h"

namespace picket {

// With a head. Lines are cut to `width` columns; 0: none is.
std::string incident_table(std::span<const v1::IncidentSummary> incidents, size_t width);
std::string incident_text(const v1::GetIncidentResponse& incident);
nlohmann::ordered_json incident_object(const v1::IncidentSummary& incident);
// The alerts of the incident in order; the one that is `shown` is marked. Empty: it is alone.
std::string story_text(const v1::GetIncidentResponse& incident, const std::string& shown);

// Names of rules, workspace and namespace are taken as they are: InvalidArgument where one would
// read as a pattern, or where nothing says whose alerts are meant.
absl::Status fill_waiver(const v1::IncidentSummary& incident, WaiverDraft& draft);
// For a shell.
std::string waiver_command(const WaiverDraft& draft);

}  // namespace picket
