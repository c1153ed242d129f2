// What a program was asked to run, read off its arguments. Pure functions; any thread. Nothing
// fails: what cannot be told apart from an option is taken for a name.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "agent/enrich/process.h"

namespace picket {

inline constexpr size_t kArgumentsSeen = 8;  // more are nobody's script

class Arguments {
 public:
  explicit Arguments(std::string_view argv) : rest_(argv) { next(); }
  bool more() const { return !rest_.empty(); }
  std::string_view next() {
    const size_t end = std::min(rest_.find('\0'), rest_.size());
    const std::string_view one = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return one;
  }

 private:
  std::string_view rest_;  // begins behind argv[0]
};

inline std::string_view last_component(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

bool is_option(std::string_view argument);
// An option behind which the interpreter's code stands, not the name of a script.
bool gives_code(const Process& process, std::string_view option);
// -m of Python, alone or behind flags without a value (-Im): a module's name follows.
bool names_module(std::string_view option);
// A shell without a script or a command: it reads what somebody types.
bool waits_for_input(std::string_view argv);
bool is_shell(const Process& process);
// By the name of the executable: python3.11 counts.
bool is_interpreter(const Process& process);
// The script that it certainly runs: the one that the kernel started, or the first argument of an
// interpreter. Empty: none, or one behind options, which may bring code of their own.
std::string script_path(const Process& process);
// A shell or interpreter that was given neither script nor code: what it runs comes in by
// descriptor 0.
bool reads_script_from_input(const Process& process);
// As the process sees it, without "." and "..".
std::string absolute_path(const Process& process, std::string_view path);

// The first argument that is no option is the script, but options of interpreters have values too:
// calls `take(path)` with the first few that can be one, until it is true.
template <class Take>
bool find_script(const Process& process, const Take& take) {
  Arguments arguments(process.argv);
  for (size_t i = 0; i < kArgumentsSeen && arguments.more(); ++i) {
    const std::string_view one = arguments.next();
    if (names_module(one) || gives_code(process, one)) return false;
    if (!one.empty() && !is_option(one) && take(absolute_path(process, one))) return true;
  }
  return false;
}

}  // namespace picket
