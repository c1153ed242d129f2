#include "collector/cli/command_tree.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_split.h"

namespace picket {
namespace {

void add(std::vector<TreeCommand>& commands, const CLI::App& app, const std::string& path) {
  commands.push_back({path, &app});
  for (const CLI::App* below : app.get_subcommands({}))
    add(commands, *below, path.empty() ? below->get_name() : path + " " + below->get_name());
}

// CLI11 says "TEXT:{text,json}" or "UINT:INT in [1 - 600]".
std::string value_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find(":{");
  if (open == type.npos) return {};
  return absl::StrSplit(type.substr(open + 2, type.find('}', open) - open - 2), ',');
}

}  // namespace

std::vector<TreeCommand> commands_of(const CLI::App& program) {
  std::vector<TreeCommand> commands;
  add(commands, program, "");
  return commands;
}

std::vector<TreeOption> options_of(const CLI::App& command) {
  std::vector<TreeOption> options;
  for (const CLI::Option* option : command.get_options({})) {
    if (option->get_positional()) continue;
    TreeOption next;
    for (const std::string& name : option->get_snames()) next.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) next.names.push_back("--" + name);
    next.description = option->get_description();
    if (option->get_items_expected_max() != 0) {
      next.value = value_of(*option);
      next.choices = choices_of(*option);
    }
    next.variable = option->get_envname();
    next.required = option->get_required();
    options.push_back(std::move(next));
  }
  return options;
}

std::vector<TreePositional> positionals_of(const CLI::App& command) {
  std::vector<TreePositional> positionals;
  for (const CLI::Option* option : command.get_options({})) {
    if (!option->get_positional()) continue;
    positionals.push_back({option->get_name(true), option->get_description(), choices_of(*option),
                           option->get_required()});
  }
  return positionals;
}

}  // namespace picket
