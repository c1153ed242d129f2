// Completion of picketctl's commands, options and words in a shell, written from its own command
// tree. Pure functions.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace picket {

// What a shell of that kind reads to complete `program`'s command lines.
std::string bash_completion(const CLI::App& program);
std::string zsh_completion(const CLI::App& program);
std::string fish_completion(const CLI::App& program);

}  // namespace picket
