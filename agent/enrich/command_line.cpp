#include "agent/enrich/command_line.h"

#include <array>
#include <filesystem>

namespace picket {
namespace {

constexpr auto kShells = std::to_array<std::string_view>(
    {"ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "nu", "pwsh", "sh", "tcsh", "zsh"});

// Beginnings of names.
constexpr auto kInterpreters = std::to_array<std::string_view>(
    {"bash", "bun", "dash", "deno", "java", "node", "perl", "php", "pypy", "python", "ruby", "sh"});

// Options of shells whose value is the next argument and no command.
constexpr auto kShellValues = std::to_array<std::string_view>(
    {"--init-file", "--rcfile", "-o", "+o", "-O", "+O", "--init-command", "-C"});

}  // namespace

bool is_option(std::string_view argument) {
  return argument.size() > 1 && (argument[0] == '-' || argument[0] == '+');
}

bool waits_for_input(std::string_view argv) {
  Arguments arguments(argv);
  while (arguments.more()) {
    const std::string_view one = arguments.next();
    if (!is_option(one)) return false;
    if (std::ranges::find(kShellValues, one) != kShellValues.end()) {
      arguments.next();
    } else if (one == "--command" ||
               (one[0] == '-' && one[1] != '-' && one.find('c') != one.npos)) {
      return false;
    }
  }
  return true;
}

bool is_shell(const Process& process) {
  return std::ranges::find(kShells, last_component(process.exe)) != kShells.end();
}

bool is_interpreter(const Process& process) {
  const std::string_view name = last_component(process.exe);
  return std::ranges::any_of(kInterpreters,
                             [&](std::string_view known) { return name.starts_with(known); });
}

std::string absolute_path(const Process& process, std::string_view path) {
  const std::filesystem::path whole = std::filesystem::path(process.cwd.view()) / path;
  return whole.lexically_normal().string();
}

}  // namespace picket
