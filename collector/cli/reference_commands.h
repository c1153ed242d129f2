// `picketctl completion|manual`: what picketctl says about its own commands. Owner: main's thread.
// Nothing fails.
#pragma once

namespace CLI {
class App;
}

namespace picket {

// After all other commands; `app` outlives the parse.
void add_reference_commands(CLI::App& app);

}  // namespace picket
