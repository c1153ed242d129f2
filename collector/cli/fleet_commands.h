// `picketctl workspace|agent|nodes|coverage|status|audit`. Owner: main's thread. Errors: in
// session.exit_code.
#pragma once

#include "collector/cli/session.h"

namespace CLI {
class App;
}

namespace picket {

// `session` outlives the parse.
void add_fleet_commands(CLI::App& app, Session& session);
void add_workspace_commands(CLI::App& app, Session& session);
void add_agent_commands(CLI::App& app, Session& session);
void add_audit_commands(CLI::App& app, Session& session);

}  // namespace picket
