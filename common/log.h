// The daemons' own log, on standard error: text for people, or one JSON object per line for
// machines. Call once, before other threads start. Nothing fails: an unknown level means info.
#pragma once

#include <string>

namespace picket {

enum class LogFormat { text, json };

// Levels: trace, debug, info, warning, error, critical, off.
void set_up_log(const std::string& level, LogFormat format);

}  // namespace picket
