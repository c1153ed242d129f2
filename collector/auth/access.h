// Who may do what. A caller is the SPIFFE id of its certificate and nothing else. Pure functions,
// any thread. What is not known is refused.
#pragma once

#include <string_view>

namespace picket {

enum class Access { read, command };

// Roles of operators: viewer, analyst and author read; responder and admin also command.
constexpr bool allows(std::string_view role, Access access) {
  const bool commands = role == "responder" || role == "admin";
  if (access == Access::command) return commands;
  return commands || role == "viewer" || role == "analyst" || role == "author";
}

}  // namespace picket
