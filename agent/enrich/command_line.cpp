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

bool gives_code(const Process& process, std::string_view option) {
  constexpr std::array<std::string_view, 3> kWords{"--eval", "--print", "--command"};
  if (std::ranges::any_of(kWords, [&](std::string_view word) { return option.starts_with(word); }))
    return true;
  constexpr size_t kLettersMax = 4;  // -lic and the like; a word is an option of another kind
  if (option.size() < 2 || option.size() > kLettersMax || option[0] != '-' || option[1] == '-')
    return false;
  // -e of a shell, and what java calls -cp, is nothing of that kind.
  if (is_shell(process)) return option.find('c') != option.npos;
  return last_component(process.exe) != "java" && option.find_first_of("ce") != option.npos;
}

bool names_module(std::string_view option) {
  constexpr std::string_view kFlags = "BEIOPbdiqsuvx";  // python3(1)
  return option.starts_with('-') && option.ends_with('m') &&
         option.substr(1, option.size() - 2).find_first_not_of(kFlags) == option.npos;
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

std::string script_path(const Process& process) {
  if (!process.interp.empty()) return absolute_path(process, process.filename);
  if (!is_interpreter(process)) return {};
  const std::string_view first = Arguments(process.argv).next();
  return first.empty() || first[0] == '-' || first[0] == '+' ? std::string()
                                                             : absolute_path(process, first);
}

bool reads_script_from_input(const Process& process) {
  const bool applet = last_component(process.exe) == "busybox" &&
                      std::ranges::find(kShells, process.comm) != kShells.end();
  const bool shell = applet || is_shell(process);
  if (!shell && !is_interpreter(process)) return false;
  Arguments arguments(process.argv);
  while (arguments.more()) {
    const std::string_view one = arguments.next();
    if (!is_option(one)) return one.empty() || one == "-" || one == "/dev/stdin";
    if (shell && one[0] == '-' && one[1] != '-' && one.find('s') != one.npos) return true;
    if (gives_code(process, one) || names_module(one)) return false;
    if (std::ranges::find(kShellValues, one) != kShellValues.end()) arguments.next();
  }
  return true;
}

std::string absolute_path(const Process& process, std::string_view path) {
  const std::filesystem::path whole = std::filesystem::path(process.cwd.view()) / path;
  return whole.lexically_normal().string();
}

}  // namespace picket
