// `picketctl rules validate|test|replay|fields|explain PATH...`: work on rule files and recordings,
// without an agent or a collector. Owner: picketctl's main thread, before and during CLI11's parse;
// the commands run as callbacks of that parse. Errors: printed to standard error, and `exit_code`
// becomes 1 (failure), 2 (usage) or 3 (validation found errors).
#pragma once

namespace CLI {
class App;
}

namespace picket {

// Adds the subcommand `rules` to `app`. `json` (the option -o json) is read when a command runs;
// `exit_code` is left as it is on success. Both must outlive the parse.
void add_rules_commands(CLI::App& app, bool& json, int& exit_code);

}  // namespace picket
