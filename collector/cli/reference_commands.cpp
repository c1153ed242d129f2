#include "collector/cli/reference_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>

#include "collector/app/version.h"
#include "collector/cli/completion.h"
#include "collector/cli/manual.h"

namespace picket {

void add_reference_commands(CLI::App& app) {
  static const std::map<std::string, std::string (*)(const CLI::App&)> kShells{
      {"bash", bash_completion}, {"fish", fish_completion}, {"zsh", zsh_completion}};
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print what a shell needs to complete picketctl's commands");
  completion->add_option("SHELL", *shell, "bash, fish or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "fish", "zsh"}));
  completion->fallthrough()->callback([shell, &app] { std::cout << kShells.at(*shell)(app); });
  CLI::App* manual =
      app.add_subcommand("manual", "Print picketctl's manual page, for `man --local-file -`");
  manual->fallthrough()->callback(
      [&app] { std::cout << manual_page(app, kCollectorVersion, kReleaseDate); });
}

}  // namespace picket
