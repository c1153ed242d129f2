#include "collector/cli/manual.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "collector/cli/command_tree.h"

namespace picket {
namespace {

// Text that roff takes for text: a line that begins with a dot or a quote would be an order.
std::string text(const std::string& plain) {
  std::string escaped = absl::StrReplaceAll(plain, {{"\\", "\\e"}, {"-", "\\-"}, {"\n", " "}});
  if (escaped.starts_with('.') || escaped.starts_with('\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string bold(const std::string& plain) { return fmt::format("\\fB{}\\fR", text(plain)); }
std::string slanted(const std::string& plain) { return fmt::format("\\fI{}\\fR", text(plain)); }

std::string value_of(const TreeOption& option) {
  if (option.value.empty()) return "";
  if (option.choices.empty()) return " " + slanted(option.value);
  return " " + bold(fmt::format("{}", fmt::join(option.choices, "|")));
}

std::string synopsis(const TreeCommand& command) {
  std::string line = bold(command.path.empty() ? "picketctl" : "picketctl " + command.path);
  for (const TreeOption& option : options_of(*command.app))
    if (option.required) line += " " + bold(option.names.back()) + value_of(option);
  for (const TreePositional& positional : positionals_of(*command.app))
    line += positional.required ? " " + slanted(positional.name)
                                : fmt::format(" [{}]", slanted(positional.name));
  return line;
}

std::string paragraph(const std::string& tag, const std::string& description) {
  return fmt::format(".TP\n{}\n{}\n", tag, text(description));
}

std::string options_text(const CLI::App& command, bool with_help) {
  std::string written;
  for (const TreePositional& positional : positionals_of(command))
    written += paragraph(slanted(positional.name), positional.description);
  for (const TreeOption& option : options_of(command)) {
    if (option.names.back() == "--help" && !with_help) continue;
    std::vector<std::string> names;
    for (const std::string& name : option.names) names.push_back(bold(name));
    std::string tag = fmt::format("{}", fmt::join(names, ", ")) + value_of(option);
    written += paragraph(tag, option.description);
    if (!option.variable.empty())
      written += fmt::format(".br\nWithout it: {}\n", bold("$" + option.variable));
  }
  return written;
}

// The footer of --help: a title, then a line for each code, its number first, then a paragraph.
std::string exit_status(const std::string& footer) {
  std::string written;
  const std::vector<std::string> lines = absl::StrSplit(footer, '\n');
  for (const std::string& line : lines) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits("  ", 2), absl::SkipEmpty());
    if (parts.size() == 2)
      written += paragraph(bold(parts[0]), parts[1]);
    else if (!written.empty())
      written += fmt::format(".PP\n{}\n", text(line));
  }
  return written;
}

}  // namespace

std::string manual_page(const CLI::App& program, std::string_view version, std::string_view date) {
  std::string what = program.get_description();
  what.erase(0, what.find(": ") + 2);  // "picketctl: "
  std::string page =
      fmt::format(".TH PICKETCTL 1 {} \"picketctl {}\" \"User Commands\"\n", date, version);
  page += fmt::format(".SH NAME\npicketctl \\- {}\n", text(what));
  page += fmt::format(".SH SYNOPSIS\n{} [{}] {}\n", bold("picketctl"), slanted("OPTIONS"),
                      slanted("COMMAND"));
  page += ".SH OPTIONS\nThey may stand before the command or after it.\n";
  page += options_text(program, true);
  page += ".SH COMMANDS\n";
  for (const TreeCommand& command : commands_of(program)) {
    if (command.path.empty() || !command.app->get_subcommands({}).empty()) continue;
    page += fmt::format(".SS {}\n{}\n", synopsis(command), text(command.app->get_description()));
    page += options_text(*command.app, false);
  }
  page += ".SH EXIT STATUS\n" + exit_status(program.get_footer());
  page += ".SH SEE ALSO\n.BR picketd (8),\n.BR picket\\-collector (8)\n";
  return page;
}

}  // namespace picket
