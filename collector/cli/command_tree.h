// picketctl's commands as they were given to CLI11, one after the other: what its completions and
// its manual page are made of, so that neither can forget one. Pure functions of the app, which
// outlives what they return.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace picket {

struct TreeCommand {
  std::string path;  // "workspace freeze"; empty: the program itself
  const CLI::App* app;
};

struct TreeOption {
  std::vector<std::string> names;  // "-o", "--output"
  std::string description;
  std::string value;                 // what follows, as "TEXT"; empty: nothing, it is a flag
  std::vector<std::string> choices;  // of the value, where it is one of a few words
  std::string variable;              // of the environment
  bool required = false;
};

struct TreePositional {
  std::string name, description;
  std::vector<std::string> choices;
  bool required = false;
};

// The program first, then each command, followed by what is below it.
std::vector<TreeCommand> commands_of(const CLI::App& program);
std::vector<TreeOption> options_of(const CLI::App& command);
std::vector<TreePositional> positionals_of(const CLI::App& command);

}  // namespace picket
