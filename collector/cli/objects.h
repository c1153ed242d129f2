// What `-o json` prints, apart from alerts (common/alert_json.h). Fields are added, never renamed.
// Pure functions; nothing fails.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "picket/v1/operator.pb.h"

namespace picket {

nlohmann::ordered_json workspace_status_object(const v1::NodeWorkspace& workspace);
nlohmann::ordered_json node_object(const v1::Node& node);
nlohmann::ordered_json coverage_line_object(const v1::Node& node, const v1::CoverageLine& line);
nlohmann::ordered_json system_call_object(const v1::Node& node, const std::string& name,
                                          const v1::SystemCalls& group);
nlohmann::ordered_json rule_gap_object(const v1::Node& node, const v1::RuleGap& gap);
nlohmann::ordered_json status_object(const v1::GetStatusResponse& status);
nlohmann::ordered_json command_object(const v1::RunCommandResponse& response);
nlohmann::ordered_json audit_object(const v1::AuditEntry& entry);

}  // namespace picket
