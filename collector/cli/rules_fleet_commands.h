// `picketctl rules push|status`: a signed folder of rules for the nodes of a collector, and what
// became of it on each. Owner: main's thread. Errors: in session.exit_code.
#pragma once

#include "collector/cli/session.h"

namespace CLI {
class App;
}

namespace picket {

// Behind add_rules_commands(), whose subcommand they extend. `session` outlives the parse.
void add_rules_fleet_commands(CLI::App& app, Session& session);

}  // namespace picket
