// `picketctl alerts list|watch|show`. Owner: main's thread. Errors: in session.exit_code.
#pragma once

#include "collector/cli/session.h"

namespace CLI {
class App;
}

namespace picket {

// `session` outlives the parse.
void add_alert_commands(CLI::App& app, Session& session);

}  // namespace picket
