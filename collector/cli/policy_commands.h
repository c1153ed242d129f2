// `picketctl policy publish|list|show|rollout|halt|status` and `picketctl waivers add|list|remove`:
// what the nodes of a collector shall have, and what became of it on each. Owner: main's thread.
// Errors: in session.exit_code.
#pragma once

#include "collector/cli/session.h"

namespace CLI {
class App;
}

namespace picket {

// `session` outlives the parse.
void add_policy_commands(CLI::App& app, Session& session);
void add_waiver_commands(CLI::App& app, Session& session);  // policy_waivers.cpp

}  // namespace picket
