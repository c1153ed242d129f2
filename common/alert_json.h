// An alert as one line of JSON, the form people and tools read everywhere: docs/alert.schema.json
// is its contract, fields are added and never renamed. Pure functions, any thread. Nothing fails: a
// text that is not UTF-8 keeps its readable part.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "picket/v1/alert.pb.h"

namespace picket {

// Without a line end.
std::string alert_json(const v1::Alert& alert);

// Members in the order of the schema: id, time, rule and priority first, for readers of raw lines.
nlohmann::ordered_json alert_object(const v1::Alert& alert);
nlohmann::ordered_json workspace_object(const v1::Workspace& workspace);
// How every line of JSON of Picket is printed: no line breaks, bytes outside UTF-8 replaced.
std::string json_line(const nlohmann::ordered_json& object);

std::string_view priority_name(v1::Priority priority);           // Falco's names, upper case
std::string time_text(const google::protobuf::Timestamp& time);  // RFC 3339, UTC, nanoseconds
uint64_t wall_ns(const google::protobuf::Timestamp& time);       // before 1970: 0
void set_wall_ns(google::protobuf::Timestamp& time, uint64_t wall_ns);

}  // namespace picket
