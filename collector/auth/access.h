// Who may do what. A caller is the SPIFFE id of its certificate and nothing else. Pure functions,
// any thread. What is not known is refused.
#pragma once

#include <string_view>

namespace picket {

enum class Access { read, command, rules };

// Roles of operators: all read; responder and admin also command, author and admin push rules.
constexpr bool allows(std::string_view role, Access access) {
  const bool commands = role == "responder" || role == "admin";
  if (access == Access::command) return commands;
  if (access == Access::rules) return role == "author" || role == "admin";
  return commands || role == "viewer" || role == "analyst" || role == "author";
}

}  // namespace picket
