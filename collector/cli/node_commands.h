// `picketctl doctor|bugtool`: about the machine on which they run, with or without a collector.
// Owner: main's thread. Errors: in session.exit_code.
#pragma once

#include "collector/cli/session.h"

namespace CLI {
class App;
}

namespace picket {

// `session` outlives the parse.
void add_doctor_command(CLI::App& app, Session& session);
void add_bugtool_command(CLI::App& app, Session& session);

// The agent's program: the installed one, else the one beside picketctl itself.
std::string usual_picketd();

}  // namespace picket
