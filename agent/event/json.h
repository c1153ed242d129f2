// One event as a JSON object: "event" and its name, then the fields by their schema names; missing
// values are left out. Pure functions, any thread. Nothing fails: bytes that are not UTF-8 are
// printed as U+FFFD by to_json_line().
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "agent/event/schema.h"

namespace picket {

nlohmann::ordered_json to_json(const Event& event);
nlohmann::ordered_json to_json(
    const FieldValue& value);  // addresses as text, lists as arrays, missing as null

std::string to_json_line(const Event& event);  // without a line end

}  // namespace picket
