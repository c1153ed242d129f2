#include "collector/cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_replace.h"
#include "collector/cli/command_tree.h"

namespace picket {
namespace {

constexpr std::string_view kBash = R"(# Completion of picketctl for bash.
_picketctl() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command='' words='' i next
  for ((i = 1; i < COMP_CWORD; i++)); do
    next=${{command:+$command }}${{COMP_WORDS[i]}}
    case $next in
      {}) command=$next ;;
    esac
  done
  case "$command $before" in
{}  *) case $command in
{}    esac ;;
  esac
  COMPREPLY=()
  # Nothing to offer: the shell completes names of files.
  [ -z "$words" ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F _picketctl picketctl
)";

constexpr std::string_view kZsh = R"(#compdef picketctl
# Completion of picketctl for zsh.
_picketctl() {{
  local command='' word
  local -a offers
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "${{command:+$command }}$word" in
      ({}) command="${{command:+$command }}$word" ;;
    esac
  done
  case "$command ${{words[CURRENT-1]}}" in
{}  (*) case $command in
{}    esac ;;
  esac
  if (( $#offers )); then _describe picketctl offers; else _files; fi
}}
# Loaded by name, this file is the function itself; sourced, it only names it.
if [ "$funcstack[1]" = _picketctl ]; then _picketctl; else compdef _picketctl picketctl; fi
)";

constexpr std::string_view kFish = R"(# Completion of picketctl for fish.
set -g __picketctl_commands {}
function __picketctl_at
    set -l command
    for word in (commandline -opc)[2..-1]
        if contains -- (string join -- ' ' $command $word) $__picketctl_commands
            set command (string join -- ' ' $command $word)
        end
    end
    test "$command" = "$argv[1]"
end
{})";

std::string shell_quoted(const std::string& text) {
  return "'" + absl::StrReplaceAll(text, {{"'", R"('\'')"}, {"\n", " "}}) + "'";
}

std::string fish_quoted(const std::string& text) {
  return "'" + absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}, {"\n", " "}}) + "'";
}

// What may stand after the words of a command: its own options, and those of the program, which
// every command takes.
std::vector<TreeOption> options_at(const CLI::App& program, const TreeCommand& command) {
  std::vector<TreeOption> options = options_of(*command.app);
  if (command.path.empty()) return options;
  for (TreeOption& option : options_of(program))
    if (!option.value.empty()) options.push_back(std::move(option));
  return options;
}

std::string paths_of(const std::vector<TreeCommand>& commands, std::string_view between) {
  std::vector<std::string> paths;
  for (const TreeCommand& command : commands)
    if (!command.path.empty()) paths.push_back(shell_quoted(command.path));
  return fmt::format("{}", fmt::join(paths, between));
}

// The pattern of `name` as the last word of `command`'s line.
std::string after(const TreeCommand& command, const std::string& name) {
  return shell_quoted(command.path + " " + name);
}

std::string after(const TreeCommand& command, const TreeOption& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : option.names) patterns.push_back(after(command, name));
  return fmt::format("{}", fmt::join(patterns, "|"));
}

}  // namespace

std::string bash_completion(const CLI::App& program) {
  const std::vector<TreeCommand> commands = commands_of(program);
  std::string values, offers;
  for (const TreeCommand& command : commands) {
    std::vector<std::string> words;
    for (const CLI::App* below : command.app->get_subcommands({}))
      words.push_back(below->get_name());
    for (const TreePositional& positional : positionals_of(*command.app))
      words.insert(words.end(), positional.choices.begin(), positional.choices.end());
    for (const TreeOption& option : options_at(program, command)) {
      words.insert(words.end(), option.names.begin(), option.names.end());
      if (option.value.empty()) continue;
      values += fmt::format("  {}) words='{}' ;;\n", after(command, option),
                            fmt::join(option.choices, " "));
    }
    offers +=
        fmt::format("    {}) words='{}' ;;\n", shell_quoted(command.path), fmt::join(words, " "));
  }
  return fmt::format(fmt::runtime(kBash), paths_of(commands, "|"), values, offers);
}

std::string zsh_completion(const CLI::App& program) {
  const std::vector<TreeCommand> commands = commands_of(program);
  std::string values, offers;
  for (const TreeCommand& command : commands) {
    std::vector<std::string> words;
    for (const CLI::App* below : command.app->get_subcommands({}))
      words.push_back(shell_quoted(below->get_name() + ":" + below->get_description()));
    for (const TreePositional& positional : positionals_of(*command.app))
      words.insert(words.end(), positional.choices.begin(), positional.choices.end());
    for (const TreeOption& option : options_at(program, command)) {
      for (const std::string& name : option.names)
        words.push_back(shell_quoted(name + ":" + option.description));
      if (option.value.empty()) continue;
      values += fmt::format("  ({}) offers=({}) ;;\n", after(command, option),
                            fmt::join(option.choices, " "));
    }
    offers +=
        fmt::format("    ({}) offers=({}) ;;\n", shell_quoted(command.path), fmt::join(words, " "));
  }
  return fmt::format(fmt::runtime(kZsh), paths_of(commands, "|"), values, offers);
}

std::string fish_completion(const CLI::App& program) {
  const std::vector<TreeCommand> commands = commands_of(program);
  std::string lines;
  for (const TreeCommand& command : commands) {
    const std::string start =
        fmt::format("complete -c picketctl -n \"__picketctl_at '{}'\"", command.path);
    for (const CLI::App* below : command.app->get_subcommands({}))
      lines += fmt::format("{} -f -a {} -d {}\n", start, below->get_name(),
                           fish_quoted(below->get_description()));
    for (const TreePositional& positional : positionals_of(*command.app))
      if (!positional.choices.empty())
        lines += fmt::format("{} -f -a '{}'\n", start, fmt::join(positional.choices, " "));
    for (const TreeOption& option : options_at(program, command)) {
      lines += start;
      for (const std::string& name : option.names)
        lines += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty())
        lines += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
      else if (!option.value.empty())
        lines += " -r";
      lines += fmt::format(" -d {}\n", fish_quoted(option.description));
    }
  }
  return fmt::format(fmt::runtime(kFish), paths_of(commands, " "), lines);
}

}  // namespace picket
