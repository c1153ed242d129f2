// How incidents read: in tables, JSON, the audit log and metrics alike. Pure functions.
#pragma once

#include <string_view>

#include "picket/v1/incident.pb.h"

namespace picket {

constexpr std::string_view incident_state_word(v1::IncidentState state) {
  switch (state) {
    case v1::INCIDENT_STATE_OPEN:
      return "open";
    case v1::INCIDENT_STATE_ACKNOWLEDGED:
      return "acknowledged";
    case v1::INCIDENT_STATE_RESOLVED:
      return "resolved";
    default:
      return "unknown";
  }
}

// Empty: none.
constexpr std::string_view incident_verdict_word(v1::IncidentVerdict verdict) {
  switch (verdict) {
    case v1::INCIDENT_VERDICT_TRUE_POSITIVE:
      return "true positive";
    case v1::INCIDENT_VERDICT_FALSE_ALARM:
      return "false alarm";
    case v1::INCIDENT_VERDICT_BENIGN:
      return "benign";
    default:
      return "";
  }
}

// What somebody has done with it.
constexpr std::string_view incident_action_word(v1::IncidentAction action) {
  switch (action) {
    case v1::INCIDENT_ACTION_ACKNOWLEDGE:
      return "acknowledged";
    case v1::INCIDENT_ACTION_ASSIGN:
      return "assigned";
    case v1::INCIDENT_ACTION_RESOLVE:
      return "resolved";
    case v1::INCIDENT_ACTION_REOPEN:
      return "reopened";
    default:
      return "changed";
  }
}

}  // namespace picket
